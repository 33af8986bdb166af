// What an operator types: bin/lms, with one context.

import { join } from 'node:path';
import type { Machine, Point } from '@lms/api';
import { requireCommand, runCommand } from './command.ts';
import type { CommandOptions, CommandResult } from './command.ts';
import { HERE } from './place.ts';
import type { Place, PlacedCommand } from './place.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
export const LMS = join(REPOSITORY, 'bin/lms');
export const LMS_AGENT = join(REPOSITORY, 'bin/lms-agent');

/** A proxy of whoever runs the tests leads nowhere near a test's manager. */
export const WITHOUT_PROXY: Readonly<Record<string, undefined>> = {
  https_proxy: undefined,
  HTTPS_PROXY: undefined,
  all_proxy: undefined,
  ALL_PROXY: undefined,
};

export interface OperatorOptions {
  readonly contextPath: string;
  /** Ends commands that are under way. */
  readonly signal?: AbortSignal;
  /** Default: here. */
  readonly place?: Place;
}

export interface JoinToken {
  readonly token: string;
  readonly caSha256: string;
  readonly managerUrl: string;
  readonly installCommand: string;
}

export class Operator {
  readonly contextPath: string;
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.contextPath = options.contextPath;
    this.#options = options;
  }

  /** Runs one command and returns what it wrote. */
  async command(...words: readonly string[]): Promise<CommandResult> {
    const { program, parameters } = this.#placed(words);
    return runCommand(program, parameters, this.#commandOptions());
  }

  /** Runs one command that has to succeed, and returns its JSON. */
  async json<Answer>(...words: readonly string[]): Promise<Answer> {
    return JSON.parse(await this.#require(...words, '-o', 'json')) as Answer;
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

  async #require(...words: readonly string[]): Promise<string> {
    const { program, parameters } = this.#placed(words);
    return requireCommand(program, parameters, this.#commandOptions());
  }

  #placed(words: readonly string[]): PlacedCommand {
    return (this.#options.place ?? HERE).command(LMS, '--context', this.contextPath, ...words);
  }

  #commandOptions(): CommandOptions {
    const { signal } = this.#options;
    return { environment: WITHOUT_PROXY, ...(signal === undefined ? {} : { signal }) };
  }
}
