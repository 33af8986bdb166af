// An agent as its user has it: bin/lms-agent, one state folder, one or more disks.

import { join } from 'node:path';
import type { Machine } from '@lms/api';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { requireCommand } from './command.ts';
import { LMS_AGENT } from './manager.ts';
import type { Manager } from './manager.ts';

export interface AgentOptions {
  readonly manager: Manager;
  readonly name: string;
  readonly disks: readonly string[];
  readonly stateFolder: string;
  readonly logFolder: string;
  readonly cleanup: Cleanup;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Of `lms-agent status`: what tests look at. */
export interface AgentStatus {
  readonly replicationState: string | null;
  readonly stallCause: string | null;
  readonly detail: string | null;
  readonly connected: boolean;
  readonly lastPoint: { readonly sequence: number; readonly consistency: string } | null;
  readonly trackerLosses: number | null;
  /** Of the last freeze; null when there was none. */
  readonly lastPauseMicroseconds: number | null;
}

export class Agent {
  readonly name: string;
  readonly #options: AgentOptions;
  #process: BackgroundProcess | null = null;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.name = options.name;
  }

  get started(): boolean {
    return this.#process !== null;
  }

  get process(): BackgroundProcess {
    if (this.#process === null) throw new Error(`the agent ${this.name} was not started yet`);
    return this.#process;
  }

  async enrol(): Promise<void> {
    const { manager, name, disks, stateFolder, cleanup } = this.#options;
    const { token, caSha256, managerUrl } = await manager.createToken();
    cleanup.add(`uninstall the agent ${name}`, async () => this.uninstall());
    await requireCommand(
      LMS_AGENT,
      [
        'enrol',
        '--manager',
        managerUrl,
        '--ca-sha256',
        caSha256,
        '--token-stdin',
        '--state-dir',
        stateFolder,
        ...disks.flatMap((device) => ['--disk', device]),
        '--name',
        name,
      ],
      { input: token },
    );
  }

  start(): void {
    const { stateFolder, logFolder, name, environment } = this.#options;
    this.#process = new BackgroundProcess({
      program: LMS_AGENT,
      parameters: ['run', '--state-dir', stateFolder],
      logPath: join(logFolder, `agent-${name}.log`),
      ...(environment === undefined ? {} : { environment }),
    });
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async machine(): Promise<Machine> {
    return this.#options.manager.machine(this.name);
  }

  /** Ends tracking too: the kernel's trace instance outlives `run` on purpose. */
  async uninstall(): Promise<void> {
    // Not stop(): a process that is ended while it still starts does not know what an orderly stop is.
    await this.#process?.end();
    await requireCommand(LMS_AGENT, ['uninstall', '--state-dir', this.#options.stateFolder]);
  }

  async status(): Promise<AgentStatus> {
    const words = ['status', '--state-dir', this.#options.stateFolder, '-o', 'json'];
    return JSON.parse(await requireCommand(LMS_AGENT, words)) as AgentStatus;
  }
}
