/**
 * R3 at the start of tracing: discards that were queued before it have ranges that no event names.
 *
 * Situation: such a request completes under one of its ranges; the others change after their blocks were copied or
 * compared, and nobody tells. Mechanism: no window opens on the disk until all that was queued before is gone: nothing
 * was in flight, at least `SETTLE_MILLISECONDS` after the start (an I/O scheduler holds no request that long), before a
 * drain that is then proven. When a discard completed until then, everything is compared once more.
 * Downside: no point in the first second, and a second comparison where a start meets a trim.
 */
import { SETTLE_MILLISECONDS } from './open-ranges.ts';

export class EarlierDiscards {
  readonly #settledFromMilliseconds: number;
  #state: 'possible' | 'seen' | 'gone' = 'possible';

  constructor(nowMilliseconds: number) {
    this.#settledFromMilliseconds = nowMilliseconds + SETTLE_MILLISECONDS;
  }

  /** False while requests of before the start may still complete. */
  get gone(): boolean {
    return this.#state === 'gone';
  }

  /** True in the first second, when no drain can show that they are gone. */
  mustWait(nowMilliseconds: number): boolean {
    return nowMilliseconds < this.#settledFromMilliseconds;
  }

  /** A request that may hide ranges completed. */
  completed(): void {
    if (this.#state === 'possible') this.#state = 'seen';
  }

  /** After a proven drain; the figures are those of just before it. True, once, when everything must be compared again. */
  settle(writesInFlight: number, nowMilliseconds: number): boolean {
    if (this.gone || writesInFlight !== 0 || this.mustWait(nowMilliseconds)) return false;
    const seen = this.#state === 'seen';
    this.#state = 'gone';
    return seen;
  }
}
