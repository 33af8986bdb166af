// The manager as its user has it: bin/lms, one data folder, two ports.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorApi } from '@lms/api';
import type { Machine, OperatorOptions, Point, Status } from '@lms/api';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { requireCommand, runCommand } from './command.ts';
import type { CommandOptions, CommandResult } from './command.ts';
import { findFreePort } from './free-port.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
export const LMS = join(REPOSITORY, 'bin/lms');
export const LMS_AGENT = join(REPOSITORY, 'bin/lms-agent');

const QUESTION_MILLISECONDS = 30_000;

export interface ManagerOptions {
  readonly dataFolder: string;
  readonly logFolder: string;
  readonly cleanup: Cleanup;
  /** Ends operator commands that are under way. */
  readonly signal?: AbortSignal;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface JoinToken {
  readonly token: string;
  readonly caSha256: string;
  readonly managerUrl: string;
  readonly installCommand: string;
}

export class Manager {
  readonly contextPath: string;
  readonly #options: ManagerOptions;
  readonly #parameters: readonly string[];
  #process: BackgroundProcess | null = null;

  private constructor(options: ManagerOptions, gatewayPort: number, blockStreamPort: number) {
    this.#options = options;
    this.contextPath = join(options.dataFolder, 'operator.json');
    this.#parameters = [
      'manager',
      '--data-dir',
      options.dataFolder,
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

  /** Runs one operator command and returns what it wrote. */
  async command(...parameters: readonly string[]): Promise<CommandResult> {
    return runCommand(LMS, ['--context', this.contextPath, ...parameters], this.#commandOptions());
  }

  /** Runs one operator command that has to succeed, and returns its JSON. */
  async json<Answer>(...parameters: readonly string[]): Promise<Answer> {
    return JSON.parse(
      await requireCommand(LMS, ['--context', this.contextPath, ...parameters, '-o', 'json']),
    ) as Answer;
  }

  async createToken(): Promise<JoinToken> {
    return this.json<JoinToken>('token', 'create');
  }

  async machine(idOrName: string): Promise<Machine> {
    return this.json<Machine>('machine', 'show', idOrName);
  }

  async waitForState(idOrName: string, state: string, timeout = '5m'): Promise<void> {
    const words = ['machine', 'wait', idOrName, '--for', `replication=${state}`, '--timeout', timeout];
    await this.#require(...words);
  }

  async createPoint(idOrName: string, consistency: 'crash' | 'filesystem', timeout = '2m'): Promise<Point> {
    return this.json<Point>('point', 'create', idOrName, '--consistency', consistency, '--wait', '--timeout', timeout);
  }

  async points(idOrName: string): Promise<readonly Point[]> {
    return (await this.json<{ points: Point[] }>('point', 'list', idOrName)).points;
  }

  async exportDisk(idOrName: string, sequence: number, diskId: string, outputPath: string): Promise<void> {
    const words = ['point', 'export', idOrName, String(sequence), '--disk', diskId, '--format', 'raw'];
    await this.#require(...words, '--output', outputPath);
  }

  /** The operator's REST interface, for what a test asks often or the command line does not show. */
  async ask<Answer>(question: (api: OperatorApi, signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    const api = new OperatorApi(JSON.parse(await readFile(this.contextPath, 'utf8')) as OperatorOptions);
    const limit = AbortSignal.timeout(QUESTION_MILLISECONDS);
    const { signal } = this.#options;
    try {
      return await question(api, signal === undefined ? limit : AbortSignal.any([signal, limit]));
    } finally {
      await api.close();
    }
  }

  async #require(...parameters: readonly string[]): Promise<string> {
    return requireCommand(LMS, ['--context', this.contextPath, ...parameters], this.#commandOptions());
  }

  #commandOptions(): CommandOptions {
    return this.#options.signal === undefined ? {} : { signal: this.#options.signal };
  }
}
