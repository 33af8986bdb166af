/**
 * A token bucket for each caller: so many requests at once, so many a second from then on. It keeps one that runs wild
 * from taking the gateway's time from all others; it is no protection against a flood from many addresses, which never
 * gets here.
 */
import { LmsError } from '@lms/errors';
import type { Access } from './caller.ts';

export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Some hundred times what an honest caller needs. `anyone` is by address: a whole site may enrol from one at once. */
export const RATES: Readonly<Record<Access, Rate>> = {
  anyone: { burst: 2_000, perSecond: 100 },
  machine: { burst: 200, perSecond: 20 },
  'replication-server': { burst: 2_000, perSecond: 500 },
  operator: { burst: 2_000, perSecond: 500 },
};

/** Of sign-ins from one address: a person types one, and mistypes some. A token of 256 bits is not guessed at any rate. */
export const SIGN_IN_RATE: Rate = { burst: 10, perSecond: 0.2 };

/** 100 bytes each. Above this, those that were used least lately are forgotten (and so begin with a full bucket). */
const MAXIMUM_BUCKETS = 100_000;

interface Bucket {
  tokens: number;
  at: number;
}

export class RateLimiter {
  /** Used least lately first. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #maximumBuckets: number;

  constructor(maximumBuckets: number = MAXIMUM_BUCKETS) {
    this.#maximumBuckets = maximumBuckets;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** RESOURCE_EXHAUSTED when the bucket is empty. `now`: monotonic, milliseconds. */
  take(key: string, rate: Rate, now: number): void {
    const known = this.#buckets.get(key);
    const elapsedSeconds = known === undefined ? 0 : (now - known.at) / 1_000;
    const tokens = Math.min(rate.burst, (known?.tokens ?? rate.burst) + elapsedSeconds * rate.perSecond);
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > this.#maximumBuckets) this.#forgetOldest();
    if (tokens >= 1) return;
    const seconds = Math.ceil(1 / rate.perSecond);
    throw new LmsError('RESOURCE_EXHAUSTED', `too many requests: at most ${rate.perSecond} a second`, {
      action: seconds === 1 ? 'wait a second, and ask less often' : `wait ${seconds} seconds, then try again`,
    });
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
