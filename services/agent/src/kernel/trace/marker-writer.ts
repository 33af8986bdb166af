/**
 * Writes a marker into every processor's ring (R5: a drain is proven by markers, not by emptiness).
 *
 * A processor that cannot be reached in time, or not at all, fails the call: whoever waits for the proof has none.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LmsError } from '@lms/errors';

export interface MarkerWorkerData {
  readonly fileDescriptor: number;
  readonly processors: readonly number[];
}

/** A marker to write; null: end. */
export type MarkerRequest = { readonly markerId: number } | null;

export interface MarkerResult {
  readonly markerId: number;
  readonly failure: string | null;
}

interface Waiting {
  readonly markerId: number;
  settle(failure: LmsError | null): void;
}

const MAXIMUM_MARKER_ID = 2 ** 31 - 1;
/** A thread that does not end in this time hangs in the kernel, where nothing ends it. */
const END_TIMEOUT_MILLISECONDS = 10_000;

export class MarkerWriter {
  readonly #fileDescriptor: number;
  readonly #worker: Worker;
  #waiting: Waiting | null = null;
  #death: string | null = null;
  /** The thread is still at work on a marker that nobody waits for any more. */
  #busy = false;
  readonly #exit: Promise<'ended'>;

  constructor(folder: string, processors: readonly number[]) {
    this.#fileDescriptor = openSync(join(folder, 'trace_marker_raw'), 'w');
    const workerData: MarkerWorkerData = { fileDescriptor: this.#fileDescriptor, processors };
    this.#worker = new Worker(new URL('./marker-worker.ts', import.meta.url), {
      workerData,
      execArgv: [], // none of the agent's preloads
    });
    this.#worker.unref();
    this.#worker.on('message', ({ markerId, failure }: MarkerResult) => {
      this.#busy = false;
      if (this.#waiting?.markerId !== markerId) return; // it came too late
      this.#settle(failure === null ? null : unreachable(failure));
    });
    this.#worker.on('error', (error: Error) => this.#die(error.message));
    this.#exit = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die('its thread ended');
        resolve('ended');
      });
    });
  }

  /** One at a time. DEADLINE_EXCEEDED after `timeoutMilliseconds`; UNAVAILABLE when a processor is not to be had. */
  async write(markerId: number, timeoutMilliseconds: number): Promise<void> {
    if (!Number.isSafeInteger(markerId) || markerId < 1 || markerId > MAXIMUM_MARKER_ID) {
      throw new RangeError(`not a marker: ${markerId}`);
    }
    if (this.#waiting !== null) throw new RangeError('markers are written one after the other');
    if (this.#death !== null) throw unreachable(this.#death);
    // Bounded also in the kernel: a thread that hangs gets no second marker.
    if (this.#busy) throw new LmsError('DEADLINE_EXCEEDED', 'an earlier trace marker has still not been written');
    this.#busy = true;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const message = `trace marker ${markerId} did not reach every processor within ${timeoutMilliseconds} ms`;
        this.#settle(new LmsError('DEADLINE_EXCEEDED', message));
      }, timeoutMilliseconds);
      this.#waiting = {
        markerId,
        settle(failure) {
          clearTimeout(timer);
          if (failure === null) resolve();
          else reject(failure);
        },
      };
      const request: MarkerRequest = { markerId };
      this.#worker.postMessage(request);
    });
  }

  /**
   * The thread is asked to end, never terminated: a native library that is terminated while it loads aborts the whole
   * process (`FATAL ERROR: Error::ThrowAsJavaScriptException`), and the agent may be stopped that early.
   */
  async close(): Promise<void> {
    const end: MarkerRequest = null;
    this.#worker.postMessage(end);
    const hangs = Promise.withResolvers<'hangs'>();
    const timer = setTimeout(hangs.resolve, END_TIMEOUT_MILLISECONDS, 'hangs');
    const outcome = await Promise.race([this.#exit, hangs.promise]);
    clearTimeout(timer);
    // A thread that hangs still holds the file: a descriptor closed under it may become another file's.
    if (outcome === 'hangs') return;
    closeSync(this.#fileDescriptor);
  }

  #settle(failure: LmsError | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.settle(failure);
  }

  #die(why: string): void {
    this.#death ??= why;
    this.#settle(unreachable(this.#death));
  }
}

function unreachable(why: string): LmsError {
  return new LmsError('UNAVAILABLE', `no trace marker could be written: ${why}`);
}
