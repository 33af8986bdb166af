/**
 * Keeps what passes to a limit with a weekly schedule, shared fairly by all who pass.
 *
 * Situation: the limit changes by the clock and by operators, while bytes flow. Mechanism: whoever moves bytes asks its share
 * before it does, in pieces of at most `quantumBytes`; requests wait in a fair queue and are let through as the token bucket
 * fills. Special cases: the schedule is looked at once a minute, which is as fine as it is written; a change lets the one that
 * waits be reckoned anew at once, and taking the limit away lets all through. Failure: none; who gives up is taken out.
 */
import { UNLIMITED, type Bandwidth } from '@lms/api';
import { FairQueue, type Flow } from './fair-queue.ts';
import { limitAt, nextChange } from './schedule.ts';
import { TokenBucket } from './token-bucket.ts';

/** A piece lasts this long at the limit, so that what flows looks even … */
const QUANTUM_MILLISECONDS = 50;
/** … but is no smaller than this, where the headers of TLS records would weigh; at the lowest limit it lasts 128 ms … */
const LEAST_QUANTUM_BYTES = 4 * 1024;
/** … and no larger: more saves nothing. */
const MOST_QUANTUM_BYTES = 64 * 1024;
/** So late may a boundary of the schedule be noticed while everybody waits. */
const LONGEST_SLEEP_MILLISECONDS = 1_000;
const MINUTE_MICROSECONDS = 60_000_000;

/** Both cores' `Clock` is one. */
export interface LimiterClock {
  wallMicroseconds(): number;
  monotonicMilliseconds(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** What one connection has of a limit. */
export interface BandwidthShare {
  /** Most bytes to ask for at once; null: there is no limit now, and nothing has to be asked. */
  quantumBytes(): number | null;
  /** Resolves when so many bytes may pass. Rejects with the signal's reason only. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
  /** Counts bytes that had to pass at once; those behind them wait the longer. */
  charge(bytes: number): void;
}

export interface LimitInForce {
  /** Null: no limit. */
  readonly limitBitsPerSecond: number | null;
  /** Epoch milliseconds, when the schedule changes it; null: it does not. */
  readonly untilMilliseconds: number | null;
}

export class BandwidthLimiter {
  readonly #clock: LimiterClock;
  readonly #queue = new FairQueue();
  readonly #bucket: TokenBucket;
  #bandwidth: Bandwidth = UNLIMITED;
  #limitBitsPerSecond: number | null = null;
  #untilMilliseconds: number | null = null;
  #minute = Number.NaN;
  #serving = false;
  #changed = new AbortController();

  constructor(clock: LimiterClock) {
    this.#clock = clock;
    this.#bucket = new TokenBucket(1, clock.monotonicMilliseconds());
  }

  update(bandwidth: Bandwidth): void {
    this.#bandwidth = bandwidth;
    this.#minute = Number.NaN;
    this.#changed.abort(new DOMException('the limit was changed', 'AbortError'));
    this.#changed = new AbortController();
  }

  inForce(): LimitInForce {
    return { limitBitsPerSecond: this.#limit(), untilMilliseconds: this.#untilMilliseconds };
  }

  share(): BandwidthShare {
    const flow: Flow = { finishedAt: 0 };
    return {
      quantumBytes: () => this.#quantumBytes(),
      take: (bytes, signal) => this.#take(flow, bytes, signal),
      charge: (bytes) => {
        if (this.#limit() !== null) this.#bucket.spend(bytes, this.#clock.monotonicMilliseconds());
      },
    };
  }

  #quantumBytes(): number | null {
    const limit = this.#limit();
    if (limit === null) return null;
    const evenBytes = Math.floor((limit / 8) * (QUANTUM_MILLISECONDS / 1000));
    return Math.min(MOST_QUANTUM_BYTES, Math.max(LEAST_QUANTUM_BYTES, evenBytes));
  }

  async #take(flow: Flow, bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#limit() === null) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const takeBack = this.#queue.add(flow, { bytes, grant: resolve });
    const giveUp = (): void => {
      takeBack();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    void this.#serve();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Lets through whoever may pass, until nobody waits. */
  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    while (this.#queue.length > 0) {
      const limited = this.#limit() !== null;
      const waitMilliseconds = limited ? this.#bucket.waitMilliseconds(this.#clock.monotonicMilliseconds()) : 0;
      if (waitMilliseconds > 0) {
        const sleepMilliseconds = Math.min(waitMilliseconds, LONGEST_SLEEP_MILLISECONDS);
        await this.#clock.sleep(sleepMilliseconds, this.#changed.signal).catch(() => undefined);
        continue;
      }
      const next = this.#queue.next();
      if (limited) this.#bucket.spend(next?.bytes ?? 0, this.#clock.monotonicMilliseconds());
      next?.grant();
    }
    this.#serving = false;
  }

  /** Bits per second, by the schedule's minute. */
  #limit(): number | null {
    const wallMicroseconds = this.#clock.wallMicroseconds();
    const minute = Math.floor(wallMicroseconds / MINUTE_MICROSECONDS);
    if (minute === this.#minute) return this.#limitBitsPerSecond;
    this.#minute = minute;
    const limit = limitAt(this.#bandwidth, wallMicroseconds / 1000);
    if (limit !== null) this.#bucket.setRate(limit / 8, this.#clock.monotonicMilliseconds());
    this.#limitBitsPerSecond = limit;
    this.#untilMilliseconds = nextChange(this.#bandwidth, wallMicroseconds / 1000);
    return limit;
  }
}
