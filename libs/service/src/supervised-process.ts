/**
 * A child process that is to run for as long as we do: started, started again with back-off whenever it ends, ended in
 * order with us. Its orphan (we were killed) is ended by the next start.
 *
 *     stopped ──start──▶ starting ──spawned──▶ running ──ended──▶ waiting ──back-off over──▶ starting
 *        ▲                                        │                  │
 *        └────────────────── stop ────────────────┴──────────────────┘
 *
 * It shares our stderr and is a session of its own: Ctrl-C in a terminal reaches only us, and we end it in order.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { toLmsError, type ErrorCode } from '@lms/errors';
import type { Logger } from '@lms/telemetry';
import { BackOff, pause, type BackOffLimits } from './back-off.ts';
import { takeChildLock } from './child-lock.ts';
import { FAILURE_FILE_VARIABLE, readFailureReport, removeFailureReport } from './failure-report.ts';

const RESTART_LIMITS: BackOffLimits = { firstMilliseconds: 500, longestMilliseconds: 30_000 };
/** A child that ran for so long did start well: its next failure is the first again. */
const STABLE_MILLISECONDS = 60_000;
const STOP_TIMEOUT_MILLISECONDS = 10_000;

export interface ProcessCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Added to our own. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ChildFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ProcessState {
  readonly phase: 'stopped' | 'starting' | 'running' | 'waiting';
  readonly pid: number | null;
  /** When the process that runs now was started. */
  readonly startedAt: Date | null;
  /** Why the last one ended, until one has run well; null before the first failure. */
  readonly failure: ChildFailure | null;
  /** Starts since the last one that ran well; 1 is the first. */
  readonly attempt: number;
  /** `waiting`: when the next start will be. */
  readonly nextAttemptAt: Date | null;
}

export interface SupervisedProcessOptions {
  /** As in logs: `nats-server`. */
  readonly name: string;
  /** The lock lies at `<stateFile>.lock`, a failure's report at `<stateFile>.failure`. */
  readonly stateFile: string;
  /** Runs before each start, before the lock is taken; may make the folder of the state file. */
  readonly prepare?: () => Promise<void>;
  /** Asked before each start; what it throws counts as a failed start. */
  readonly command: (signal: AbortSignal) => Promise<ProcessCommand>;
  readonly logger: Logger;
  /** Called after each change of the state. */
  readonly onChange?: (state: ProcessState) => void;
  /** Default: first 0.5 s, at longest 30 s. */
  readonly restartLimits?: BackOffLimits;
  /** From SIGTERM to SIGKILL. Default 10 s. */
  readonly stopTimeoutMilliseconds?: number;
}

const STOPPED: ProcessState = {
  phase: 'stopped',
  pid: null,
  startedAt: null,
  failure: null,
  attempt: 0,
  nextAttemptAt: null,
};

export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions;
  readonly #stopping = new AbortController();
  #state = STOPPED;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Returns at once; `onChange` tells how it goes. */
  start(): void {
    this.#running = this.#run();
  }

  /** The child gets SIGTERM, and SIGKILL when that is not enough. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const backOff = new BackOff(this.#options.restartLimits ?? RESTART_LIMITS);
    while (!signal.aborted) {
      this.#change({ ...this.#state, phase: 'starting', attempt: backOff.failures + 1, nextAttemptAt: null });
      const startedAt = Date.now();
      const failure = await this.#runOnce();
      if (signal.aborted) break;
      if (Date.now() - startedAt > STABLE_MILLISECONDS) backOff.succeeded();
      const waitMilliseconds = backOff.failed();
      const { name, logger } = this.#options;
      logger.warn({ child: name, code: failure.code, waitMilliseconds }, `${name} does not run: ${failure.message}`);
      const nextAttemptAt = new Date(Date.now() + waitMilliseconds);
      this.#change({ ...this.#state, phase: 'waiting', pid: null, startedAt: null, failure, nextAttemptAt });
      await pause(waitMilliseconds, signal);
    }
    this.#change(STOPPED);
  }

  async #runOnce(): Promise<ChildFailure> {
    try {
      const child = await this.#spawn();
      const ended = waitForEnd(child);
      this.#change({ ...this.#state, phase: 'running', pid: child.pid ?? null, startedAt: new Date() });
      const stable = setTimeout(() => this.#change({ ...this.#state, failure: null }), STABLE_MILLISECONDS);
      try {
        return await this.#describeEnd(await this.#endWithUs(child, ended));
      } finally {
        clearTimeout(stable);
      }
    } catch (thrown) {
      const { code, message } = toLmsError(thrown);
      return { code, message };
    }
  }

  async #spawn(): Promise<ChildProcess> {
    const { name, stateFile, command, logger, stopTimeoutMilliseconds } = this.#options;
    const { signal } = this.#stopping;
    await this.#options.prepare?.();
    const lock = await takeChildLock(
      {
        path: `${stateFile}.lock`,
        name,
        logger,
        stopTimeoutMilliseconds: stopTimeoutMilliseconds ?? STOP_TIMEOUT_MILLISECONDS,
      },
      signal,
    );
    try {
      await removeFailureReport(this.#failureFile);
      const { program, arguments: programArguments, environment } = await command(signal);
      signal.throwIfAborted();
      const child = spawn(program, [...programArguments], {
        // The last is the lock: descriptor 3 of the child.
        stdio: ['ignore', 'ignore', 'inherit', lock.fileDescriptor],
        detached: true,
        env: { ...process.env, ...environment, [FAILURE_FILE_VARIABLE]: this.#failureFile },
      });
      await once(child, 'spawn');
      // For people; it plays no part in finding an orphan.
      writeSync(lock.fileDescriptor, `${String(child.pid).padEnd(10)}\n`, 0);
      return child;
    } finally {
      // From here on the child alone holds the lock.
      lock.close();
    }
  }

  async #endWithUs(child: ChildProcess, ended: Promise<string>): Promise<string> {
    const { signal } = this.#stopping;
    let killTimer: NodeJS.Timeout | null = null;
    const end = (): void => {
      child.kill('SIGTERM');
      killTimer = setTimeout(
        () => child.kill('SIGKILL'),
        this.#options.stopTimeoutMilliseconds ?? STOP_TIMEOUT_MILLISECONDS,
      );
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    try {
      return await ended;
    } finally {
      signal.removeEventListener('abort', end);
      if (killTimer !== null) clearTimeout(killTimer);
    }
  }

  async #describeEnd(how: string): Promise<ChildFailure> {
    const report = await readFailureReport(this.#failureFile);
    if (report === null) return { code: 'INTERNAL', message: `${this.#options.name} ${how}` };
    const action = report.action === null ? '' : ` ${report.action}`;
    return { code: report.code, message: `${report.message}.${action}` };
  }

  get #failureFile(): string {
    return `${this.#options.stateFile}.failure`;
  }

  #change(state: ProcessState): void {
    this.#state = state;
    this.#options.onChange?.(state);
  }
}

/** How it ended, as the end of a sentence. */
function waitForEnd(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('exit', (code, signal) => {
    resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
  });
  return promise;
}
