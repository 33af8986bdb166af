/**
 * How many bytes may pass by when. Pure: the time is given.
 *
 * Situation: timers come late, and a busy process comes later still; what was missed must be caught up, or the limit is never
 * reached. Mechanism: credit grows with time, and may be overdrawn by one request, which is then waited for; so the average is
 * exact whatever the sizes. Special case: credit that nobody uses is kept for `CARRIED_MILLISECONDS` only. That is what a
 * window of 10 s can have too much, with the last request: below 5 %.
 */
const CARRIED_MILLISECONDS = 300;

export class TokenBucket {
  #bytesPerSecond: number;
  #creditBytes = 0;
  #atMilliseconds: number;

  constructor(bytesPerSecond: number, nowMilliseconds: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMilliseconds = nowMilliseconds;
  }

  /** What was saved or owed stays, in time and not in bytes: a debt of a fast rate must not stop a slow one for minutes. */
  setRate(bytesPerSecond: number, nowMilliseconds: number): void {
    this.#refill(nowMilliseconds);
    this.#creditBytes *= bytesPerSecond / this.#bytesPerSecond;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** 0: a request may pass now. */
  waitMilliseconds(nowMilliseconds: number): number {
    this.#refill(nowMilliseconds);
    return this.#creditBytes >= 0 ? 0 : Math.ceil((-this.#creditBytes / this.#bytesPerSecond) * 1000);
  }

  spend(bytes: number, nowMilliseconds: number): void {
    this.#refill(nowMilliseconds);
    this.#creditBytes -= bytes;
  }

  #refill(nowMilliseconds: number): void {
    const earned = ((nowMilliseconds - this.#atMilliseconds) / 1000) * this.#bytesPerSecond;
    this.#atMilliseconds = nowMilliseconds;
    const most = (CARRIED_MILLISECONDS / 1000) * this.#bytesPerSecond;
    this.#creditBytes = Math.min(most, this.#creditBytes + Math.max(0, earned));
  }
}
