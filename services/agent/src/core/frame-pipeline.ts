/**
 * Sends frames in the order in which their places were taken, while later ones are still being read and compressed.
 *
 * The order is what marks and checkpoints rely on: a mark is pushed behind the chunks that it stands for. Memory is
 * bounded by the callers' buffers (R10): a chunk holds its buffer until its last frame is with the kernel.
 * The first failure fails everything behind it; buffers are released all the same.
 */
import type { Frame, FrameConnection } from '@lms/block-stream';

/** Writes handed to the connection at once: enough to keep it busy while the first is acknowledged. */
const MAXIMUM_SENDS_IN_FLIGHT = 4;

export interface SentObserver {
  (frame: Frame, elapsedMilliseconds: number): void;
}

export class FramePipeline {
  readonly #connection: FrameConnection;
  readonly #now: () => number;
  readonly #sent: SentObserver;
  readonly #failed: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #inFlight: Promise<void>[] = [];
  #failure: { readonly error: unknown } | null = null;

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

  /** Takes the next place. `release` is called once, when the frames' buffers may be reused, also after a failure. */
  push(prepared: Promise<readonly Frame[]> | readonly Frame[], release?: () => void): void {
    const preparing = Promise.resolve(prepared);
    preparing.catch(() => undefined); // handled below, when its turn comes
    this.#tail = this.#tail.then(() => this.#send(preparing, release));
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

  async #send(preparing: Promise<readonly Frame[]>, release: (() => void) | undefined): Promise<void> {
    const sends: Promise<void>[] = [];
    try {
      const frames = await preparing;
      for (const frame of frames) {
        if (this.#failure !== null) break;
        while (this.#inFlight.length >= MAXIMUM_SENDS_IN_FLIGHT) await this.#inFlight[0];
        sends.push(this.#start(frame));
      }
    } catch (error) {
      this.#fail(error);
    }
    if (release !== undefined) void Promise.all(sends).then(release);
  }

  /** Never rejects: failures are kept. */
  #start(frame: Frame): Promise<void> {
    const began = this.#now();
    const send = this.#connection
      .send(frame)
      .then(() => this.#sent(frame, this.#now() - began))
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .then(() => {
        this.#inFlight = this.#inFlight.filter((other) => other !== send);
      });
    this.#inFlight.push(send);
    return send;
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#failed(error);
  }
}
