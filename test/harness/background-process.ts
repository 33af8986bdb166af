// A program that runs until it is stopped, in a session of its own: a Ctrl-C meant for the test does not reach it,
// so that everything ends in the order that the test wants.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { waitFor } from './condition.ts';

/** An orderly stop may take this long before it is a failure and the process is killed. */
const STOP_MILLISECONDS = 30_000;

export interface BackgroundOptions {
  readonly program: string;
  readonly parameters: readonly string[];
  /** stdout and stderr are appended to it. */
  readonly logPath: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export class BackgroundProcess {
  readonly logPath: string;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<void>;

  constructor({ program, parameters, logPath, environment }: BackgroundOptions) {
    this.logPath = logPath;
    this.#name = [program.split('/').at(-1), parameters[0]].join(' ');
    const log = openSync(logPath, 'a');
    this.#child = spawn(program, parameters, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#child.on('exit', () => resolve());
    this.#child.on('error', () => resolve());
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.#name} could not be started`);
    return pid;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  log(): string {
    return readFileSync(this.logPath, 'utf8');
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  async waitForEnd(timeoutMilliseconds: number): Promise<void> {
    await waitFor(`${this.#name} (pid ${this.#child.pid}) to end`, () => !this.running, { timeoutMilliseconds });
    await this.#ended;
  }

  /** SIGTERM and any exit code: for programs that call a signal a failure (fio). */
  async end(): Promise<void> {
    this.signal('SIGTERM');
    await this.waitForEnd(STOP_MILLISECONDS);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.waitForEnd(STOP_MILLISECONDS);
  }

  /** SIGTERM, and exit code 0; throws, after killing it, when it does not end in order. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return;
    this.signal(signal);
    try {
      await this.waitForEnd(STOP_MILLISECONDS);
    } catch (error) {
      await this.kill();
      throw error;
    }
    if (this.#child.exitCode !== 0)
      throw new Error(
        `${this.#name} ended with ${this.#child.exitCode ?? this.#child.signalCode}, see ${this.logPath}`,
      );
  }
}
