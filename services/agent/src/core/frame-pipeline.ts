/**
 * Sends frames in the order in which their places were taken, while later ones are still being read and compressed.
 *
 * The order is what marks and checkpoints rely on: a mark is pushed behind the chunks that it stands for. Memory is
 * bounded (R10): at most `PREPARED_AHEAD` jobs are prepared or on their way at once, whatever was pushed, and whoever
 * pushes chunks waits for `room` first. A chunk holds its buffer until its last frame is with the kernel.
 * The first failure fails everything behind it; buffers are released all the same.
 */
import type { Frame, FrameConnection } from '@lms/block-stream';

/** Reads, compressions and sends at once: enough for two processors and a disk, some 10 MiB of compressed data. */
const PREPARED_AHEAD = 8;
/** Jobs that may wait in all before `room` makes the next one wait. */
const MAXIMUM_WAITING_JOBS = 16;

export interface SentObserver {
  /** `began`: when the frame's own bytes began to leave; `ended`: when the kernel had the last one. */
  (frame: Frame, beganMilliseconds: number, endedMilliseconds: number): void;
}

export class FramePipeline {
  readonly #connection: FrameConnection;
  readonly #now: () => number;
  readonly #sent: SentObserver;
  readonly #failed: (error: unknown) => void;
  readonly #preparing = new Slots(PREPARED_AHEAD);
  readonly #waiting = new Slots(MAXIMUM_WAITING_JOBS);
  #tail: Promise<void> = Promise.resolve();
  #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  #lastSentMilliseconds = -Infinity;

  /** `failed` is told of the first failure at once: somebody may be waiting for the answer to a frame that is not sent any more. */
  constructor(
    connection: FrameConnection,
    nowMilliseconds: () => number,
    sent: SentObserver,
    failed: (error: unknown) => void = () => undefined,
  ) {
    this.#connection = connection;
    this.#now = nowMilliseconds;
    this.#sent = sent;
    this.#failed = failed;
  }

  /** Resolves when fewer than `MAXIMUM_WAITING_JOBS` jobs wait. */
  async room(): Promise<void> {
    await this.#waiting.free();
  }

  /** Takes the next place. `release` is called once, when the frames' buffers may be reused, also after a failure. */
  push(prepare: (() => Promise<readonly Frame[]>) | readonly Frame[], release?: () => void): void {
    this.#waiting.takeAnyway();
    const prepared = this.#preparing.take().then(() => {
      if (this.#failure !== null) return [];
      return typeof prepare === 'function' ? prepare() : prepare;
    });
    prepared.catch(() => undefined); // handled when its turn comes
    const done = (): void => {
      this.#preparing.release();
      this.#waiting.release();
      release?.();
    };
    this.#tail = this.#tail.then(() => this.#send(prepared, done));
  }

  /** Resolves when all that was pushed is with the kernel; rejects with the first failure. */
  async drain(): Promise<void> {
    await this.#tail;
    await Promise.all(this.#inFlight);
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #send(prepared: Promise<readonly Frame[]>, done: () => void): Promise<void> {
    const sends: Promise<void>[] = [];
    try {
      for (const frame of await prepared) if (this.#failure === null) sends.push(this.#start(frame));
    } catch (error) {
      this.#fail(error);
    }
    const job = Promise.all(sends).then(done);
    this.#inFlight.add(job);
    void job.then(() => this.#inFlight.delete(job));
  }

  /** Never rejects: failures are kept. */
  #start(frame: Frame): Promise<void> {
    const began = this.#now();
    return this.#connection.send(frame).then(
      () => {
        const ended = this.#now();
        // The connection sends one frame at a time: before the last one was through, this one only waited.
        this.#sent(frame, Math.max(began, this.#lastSentMilliseconds), ended);
        this.#lastSentMilliseconds = ended;
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#failed(error);
  }
}

/** A fixed number of places, given in the order of asking. */
class Slots {
  readonly #capacity: number;
  readonly #asking: (() => void)[] = [];
  #taken = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  take(): Promise<void> {
    if (this.#taken < this.#capacity) {
      this.#taken++;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#asking.push(() => {
        this.#taken++;
        resolve();
      });
    });
  }

  /** Takes a place even when there is none left. */
  takeAnyway(): void {
    this.#taken++;
  }

  /** Resolves when there is a place, without taking it. */
  async free(): Promise<void> {
    if (this.#taken < this.#capacity) return;
    await this.take();
    this.release();
  }

  release(): void {
    this.#taken--;
    if (this.#taken < this.#capacity) this.#asking.shift()?.();
  }
}
