// The manager as its user has it: bin/lms, one data folder, two ports.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorApi } from '@lms/api';
import type { OperatorOptions as ApiOptions, Status } from '@lms/api';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { findFreePort } from './free-port.ts';
import { LMS, Operator } from './operator.ts';

const QUESTION_MILLISECONDS = 30_000;

export interface ManagerOptions {
  readonly dataFolder: string;
  readonly logFolder: string;
  readonly cleanup: Cleanup;
  /** Ends operator commands that are under way. */
  readonly signal?: AbortSignal;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export class Manager extends Operator {
  readonly #options: ManagerOptions;
  readonly #parameters: readonly string[];
  #process: BackgroundProcess | null = null;

  private constructor(options: ManagerOptions, gatewayPort: number, blockStreamPort: number) {
    const { dataFolder, signal } = options;
    super({ contextPath: join(dataFolder, 'operator.json'), ...(signal === undefined ? {} : { signal }) });
    this.#options = options;
    this.#parameters = [
      'manager',
      '--data-dir',
      dataFolder,
      '--listen',
      `127.0.0.1:${gatewayPort}`,
      '--block-stream',
      `127.0.0.1:${blockStreamPort}`,
    ];
  }

  /** On free ports, which stay the same over restarts. Not started yet. */
  static async create(options: ManagerOptions): Promise<Manager> {
    const manager = new Manager(options, await findFreePort(), await findFreePort());
    options.cleanup.add('stop the manager', async () => manager.#process?.end());
    return manager;
  }

  get process(): BackgroundProcess {
    if (this.#process === null) throw new Error('the manager was not started yet');
    return this.#process;
  }

  /** Returns when every component is healthy. */
  async start(): Promise<Status> {
    this.#process = new BackgroundProcess({
      program: LMS,
      parameters: this.#parameters,
      logPath: join(this.#options.logFolder, 'manager.log'),
      ...(this.#options.environment === undefined ? {} : { environment: this.#options.environment }),
    });
    return this.json<Status>('status', '--wait', '90s');
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  /** The operator's REST interface, for what a test asks often or the command line does not show. */
  async ask<Answer>(question: (api: OperatorApi, signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    const api = new OperatorApi(JSON.parse(await readFile(this.contextPath, 'utf8')) as ApiOptions);
    const limit = AbortSignal.timeout(QUESTION_MILLISECONDS);
    const { signal } = this.#options;
    try {
      return await question(api, signal === undefined ? limit : AbortSignal.any([signal, limit]));
    } finally {
      await api.close();
    }
  }
}
