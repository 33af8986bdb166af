/**
 * The agent's end of the guardian: starts it beforehand, talks to it, and notices at once when it is gone.
 *
 * Every wait here is bounded (R17), and ends when the guardian ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LmsError } from '@lms/errors';
import { LineReader, type GuardianAnswer, type GuardianRequest } from './guardian-protocol.ts';

/** Starting Node and loading the FFI takes 0.2 s; a loaded machine may need more. */
const START_TIMEOUT_MILLISECONDS = 20_000;
/** One FIFREEZE that hangs must not take the threads away that thaw the others. */
const GUARDIAN_THREADS = '64';

interface Waiting {
  readonly wanted: ReadonlySet<GuardianAnswer['type']>;
  settle(answer: GuardianAnswer | null): void;
}

export class GuardianClient {
  readonly #child: ChildProcess;
  #waiting: Waiting | null = null;
  #gone = false;
  #onGone: () => void = () => {};

  private constructor() {
    const { LD_LIBRARY_PATH: libraries } = process.env;
    // None of the agent's environment: preloads and options of Node could write logs, or connect to somewhere. Only where
    // Node finds what an agent package has brought for it.
    this.#child = spawn(process.execPath, [fileURLToPath(new URL('./guardian-process.ts', import.meta.url))], {
      cwd: '/',
      detached: true,
      env: { UV_THREADPOOL_SIZE: GUARDIAN_THREADS, ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }) },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const reader = new LineReader<GuardianAnswer>((answer) => this.#receive(answer));
    this.#child.stdout?.setEncoding('utf8');
    this.#child.stdout?.on('data', (text: string) => reader.push(text));
    this.#child.stdout?.on('end', () => this.#end());
    this.#child.stdin?.on('error', () => this.#end()); // EPIPE: it has ended
    this.#child.on('error', () => this.#end());
    this.#child.on('exit', () => this.#end());
  }

  /** Resolves when the guardian is ready. `shortcomings`: what it could not have on this machine. */
  static async start(): Promise<{ readonly guardian: GuardianClient; readonly shortcomings: readonly string[] }> {
    const guardian = new GuardianClient();
    const answer = await guardian.#wait(['ready'], START_TIMEOUT_MILLISECONDS);
    if (answer?.type !== 'ready') {
      guardian.#child.kill('SIGKILL'); // it has not frozen anything yet
      throw new LmsError('UNAVAILABLE', 'the freeze guardian could not be started', {
        action: 'See whether the machine has memory and processes left.',
      });
    }
    guardian.#child.unref();
    return { guardian, shortcomings: answer.shortcomings };
  }

  get gone(): boolean {
    return this.#gone;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** One listener at a time: called when the guardian ends. */
  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  /** The first answer of one of these types; null when the guardian is gone or the time is up. One request at a time. */
  async request(
    request: GuardianRequest,
    wanted: readonly GuardianAnswer['type'][],
    timeoutMilliseconds: number,
  ): Promise<GuardianAnswer | null> {
    if (this.#gone) return null;
    const answer = this.#wait(wanted, timeoutMilliseconds);
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return answer;
  }

  /** Ends the guardian's pipe, upon which it thaws and ends; waits for that. */
  async close(timeoutMilliseconds: number): Promise<void> {
    if (this.#gone) return;
    const ended = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMilliseconds);
      this.#child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#child.stdin?.end();
    await ended;
  }

  #wait(wanted: readonly GuardianAnswer['type'][], timeoutMilliseconds: number): Promise<GuardianAnswer | null> {
    if (this.#waiting !== null) throw new RangeError('the guardian is asked one thing at a time');
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.settle(null), timeoutMilliseconds);
      const waiting: Waiting = {
        wanted: new Set(wanted),
        settle: (answer) => {
          clearTimeout(timer);
          this.#waiting = null;
          resolve(answer);
        },
      };
      this.#waiting = waiting;
    });
  }

  #receive(answer: GuardianAnswer): void {
    if (this.#waiting?.wanted.has(answer.type) === true) this.#waiting.settle(answer);
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#waiting?.settle(null);
    this.#onGone();
  }
}
