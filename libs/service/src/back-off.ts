/** Waiting longer after each failure in a row, and a little at random, so that many waiters do not come back at once. */
import { setTimeout as delay } from 'node:timers/promises';

export interface BackOffLimits {
  readonly firstMilliseconds: number;
  readonly longestMilliseconds: number;
}

export class BackOff {
  readonly #limits: BackOffLimits;
  readonly #random: () => number;
  #failures = 0;

  constructor(limits: BackOffLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** How long to wait after this failure: doubles with each, between 75 % and 100 % of it. */
  failed(): number {
    const doubled = this.#limits.firstMilliseconds * 2 ** Math.min(this.#failures, 30);
    this.#failures += 1;
    return Math.round(Math.min(doubled, this.#limits.longestMilliseconds) * (0.75 + 0.25 * this.#random()));
  }
}

/** Resolves when the time is over or the signal is aborted, whichever is first; true when the time is over. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(milliseconds, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
