// An agent as its user has it: bin/lms-agent, one state folder, one or more disks.

import { join } from 'node:path';
import type { Machine } from '@lms/api';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { requireCommand, runCommand } from './command.ts';
import type { CommandResult } from './command.ts';
import { LMS_AGENT, WITHOUT_PROXY } from './operator.ts';
import type { Operator } from './operator.ts';
import { HERE } from './place.ts';
import type { Place, PlacedCommand } from './place.ts';

export interface AgentOptions {
  readonly manager: Operator;
  readonly name: string;
  readonly disks: readonly string[];
  readonly stateFolder: string;
  readonly logFolder: string;
  readonly cleanup: Cleanup;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: here. */
  readonly place?: Place;
  /** Further options of `lms-agent enrol`. */
  readonly enrolOptions?: readonly string[];
}

/** Of `lms-agent status`: what tests look at. */
export interface AgentStatus {
  readonly replicationState: string | null;
  readonly stallCause: string | null;
  readonly detail: string | null;
  readonly connected: boolean;
  /** `host:port` that is connected to, or was tried last. */
  readonly blockStream: string | null;
  readonly lastPoint: { readonly sequence: number; readonly consistency: string } | null;
  readonly trackerLosses: number | null;
  /** Of the last freeze; null when there was none. */
  readonly lastPauseMicroseconds: number | null;
  readonly manager: { readonly lastContactAt: string | null; readonly failure: string | null } | null;
  readonly proxy: { readonly url: string; readonly username: string | null } | null;
  readonly proxyInUse: boolean | null;
}

export class Agent {
  readonly name: string;
  readonly #options: AgentOptions;
  #process: BackgroundProcess | null = null;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.name = options.name;
  }

  /** Enrolled and running. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    await agent.enrol();
    agent.start();
    return agent;
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
    const { program, parameters } = this.#placed(
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
      ...(this.#options.enrolOptions ?? []),
    );
    await requireCommand(program, parameters, { input: token, environment: WITHOUT_PROXY });
  }

  start(): void {
    const { stateFolder, logFolder, name, environment } = this.#options;
    const { program, parameters } = this.#placed('run', '--state-dir', stateFolder);
    this.#process = new BackgroundProcess({
      program,
      parameters,
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
    const { program, parameters } = this.#placed('uninstall', '--state-dir', this.#options.stateFolder);
    await requireCommand(program, parameters);
  }

  /** Whatever its exit code is. */
  async configure(...options: readonly string[]): Promise<CommandResult> {
    const { program, parameters } = this.#placed('configure', '--state-dir', this.#options.stateFolder, ...options);
    return runCommand(program, parameters);
  }

  async status(): Promise<AgentStatus> {
    const { program, parameters } = this.#placed('status', '--state-dir', this.#options.stateFolder, '-o', 'json');
    return JSON.parse(await requireCommand(program, parameters)) as AgentStatus;
  }

  #placed(...parameters: readonly string[]): PlacedCommand {
    return (this.#options.place ?? HERE).command(LMS_AGENT, ...parameters);
  }
}
