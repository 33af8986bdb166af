/** One direction of a connection: segments on their way, in order, with latency, and never more than its capacity. */
import type { Random } from '../time/random.ts';
import type { Scheduler } from '../time/scheduler.ts';
import type { LinkEnd } from './link.ts';

export interface PipeShape {
  readonly capacityBytes: number;
  readonly latencyMicroseconds: number;
  readonly bytesPerSecond: number;
}

export class Pipe {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #shape: PipeShape;
  readonly #arrived: Uint8Array[] = [];
  #bytes = 0;
  #lastArrivalMicroseconds = 0;
  #roomWaiters: (() => void)[] = [];
  #silent = false;
  #discarding = false;
  #ending = false;
  #endedAs: LinkEnd | null = null;
  onReadable: () => void = () => undefined;
  onWritable: () => void = () => undefined;

  constructor(scheduler: Scheduler, random: Random, shape: PipeShape) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#shape = shape;
  }

  /** Null while more may come; the end is seen after the last segment was taken. */
  get endedAs(): LinkEnd | null {
    return this.#arrived.length === 0 ? this.#endedAs : null;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async room(): Promise<void> {
    while (this.#bytes >= this.#shape.capacityBytes && !this.#discarding) {
      await new Promise<void>((resolve) => {
        this.#roomWaiters.push(resolve);
      });
    }
  }

  put(segment: Uint8Array): void {
    if (this.#silent || this.#discarding || this.#ending) return;
    this.#bytes += segment.byteLength;
    this.#arrive(segment.byteLength, () => this.#arrived.push(segment));
  }

  take(): Uint8Array | null {
    const segment = this.#arrived.shift() ?? null;
    if (segment !== null) {
      this.#bytes -= segment.byteLength;
      this.#wakeWriters();
    }
    return segment;
  }

  /** Nobody reads any more: what comes is thrown away, so that the writer is not held. */
  stopReading(): void {
    this.#discarding = true;
    this.#arrived.length = 0;
    this.#bytes = 0;
    this.#wakeWriters();
  }

  /** The writer is gone. What is on its way still arrives, except at a reset. */
  end(as: LinkEnd): void {
    if (this.#ending || this.#silent) return;
    this.#ending = true;
    if (as === 'reset') {
      this.#arrived.length = 0;
      this.#endedAs = as;
      this.onReadable();
      return;
    }
    this.#arrive(0, () => {
      this.#endedAs = as;
    });
  }

  /** Keeps only the first bytes of what is on its way, then resets: a frame may be cut in its middle. */
  truncate(): void {
    const last = this.#arrived.at(-1);
    if (last !== undefined && last.byteLength > 1) {
      this.#arrived[this.#arrived.length - 1] = last.subarray(0, this.#random.between(1, last.byteLength - 1));
    }
    this.#ending = true;
    this.#endedAs = 'orderly';
    this.onReadable();
  }

  /** The network swallows everything from now on, and tells nobody. */
  swallow(): void {
    this.#silent = true;
  }

  #arrive(bytes: number, effect: () => void): void {
    const { latencyMicroseconds, bytesPerSecond } = this.#shape;
    const at = Math.max(
      this.#lastArrivalMicroseconds + Math.ceil((bytes * 1_000_000) / bytesPerSecond),
      this.#scheduler.nowMicroseconds + latencyMicroseconds + this.#random.latency(latencyMicroseconds / 2),
    );
    this.#lastArrivalMicroseconds = at;
    this.#scheduler.after(at - this.#scheduler.nowMicroseconds, () => {
      if (this.#endedAs === 'reset' || this.#discarding) return;
      effect();
      this.onReadable();
    });
  }

  #wakeWriters(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
    this.onWritable();
  }
}
