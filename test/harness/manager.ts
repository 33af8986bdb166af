// The manager as its user has it: bin/lms, one data folder, two ports.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorApi } from '@lms/api';
import type { OperatorOptions as ApiOptions, Status } from '@lms/api';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { findFreePort } from './free-port.ts';
import { LMS, Operator } from './operator.ts';
import { HERE } from './place.ts';
import type { Place } from './place.ts';

const QUESTION_MILLISECONDS = 30_000;

export interface ManagerOptions {
  readonly dataFolder: string;
  readonly logFolder: string;
  readonly cleanup: Cleanup;
  /** Ends operator commands that are under way. */
  readonly signal?: AbortSignal;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Another host, with an address of its own: there it serves 443 and 1500. Default: here, on free ports of 127.0.0.1. */
  readonly host?: ManagerHost;
}

export interface ManagerHost {
  readonly place: Place;
  readonly address: string;
  /** Further options of `lms manager`. */
  readonly options?: readonly string[];
}

export class Manager extends Operator {
  readonly #options: ManagerOptions;
  readonly #parameters: readonly string[];
  #process: BackgroundProcess | null = null;

  private constructor(options: ManagerOptions, listen: string, blockStream: string) {
    const { dataFolder, signal, host } = options;
    super({
      contextPath: join(dataFolder, 'operator.json'),
      place: host?.place ?? HERE,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#options = options;
    const addresses = ['--listen', listen, '--block-stream', blockStream];
    this.#parameters = ['manager', '--data-dir', dataFolder, ...addresses, ...(host?.options ?? [])];
  }

  /** On ports that stay the same over restarts. Not started yet. */
  static async create(options: ManagerOptions): Promise<Manager> {
    const { host } = options;
    const manager =
      host === undefined
        ? new Manager(options, `127.0.0.1:${await findFreePort()}`, `127.0.0.1:${await findFreePort()}`)
        : new Manager(options, `${host.address}:443`, `${host.address}:1500`);
    options.cleanup.add('stop the manager', async () => manager.#process?.end());
    return manager;
  }

  get process(): BackgroundProcess {
    if (this.#process === null) throw new Error('the manager was not started yet');
    return this.#process;
  }

  /** Returns when every component is healthy. */
  async start(): Promise<Status> {
    const placed = (this.#options.host?.place ?? HERE).command(LMS, ...this.#parameters);
    this.#process = new BackgroundProcess({
      ...placed,
      logPath: join(this.#options.logFolder, 'manager.log'),
      ...(this.#options.environment === undefined ? {} : { environment: this.#options.environment }),
    });
    return this.json<Status>('status', '--wait', '90s');
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  /** The operator's REST interface, for what a test asks often or the command line does not show. Not of another host. */
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
