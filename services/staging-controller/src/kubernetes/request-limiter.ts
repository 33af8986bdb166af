/**
 * Holds back writes to the API server: a bucket of tokens that refills steadily, and a pause when the server asks for one.
 * How many wait here is bounded by the number of machines that are worked on at the same time.
 */
import { pause } from '@lms/service';

export interface RequestRate {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

export class RequestLimiter {
  readonly #rate: RequestRate;
  readonly #nowMilliseconds: () => number;
  #tokens: number;
  #filledAt: number;
  #closedUntil = 0;

  constructor(rate: RequestRate, nowMilliseconds: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#nowMilliseconds = nowMilliseconds;
    this.#tokens = rate.burst;
    this.#filledAt = nowMilliseconds();
  }

  /** Takes one token now: how long its owner has to wait for it. */
  reserve(): number {
    const now = this.#nowMilliseconds();
    const { requestsPerSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1_000) * requestsPerSecond);
    this.#filledAt = now;
    this.#tokens -= 1;
    const owed = this.#tokens >= 0 ? 0 : (-this.#tokens / requestsPerSecond) * 1_000;
    return Math.max(owed, this.#closedUntil - now);
  }

  /** Resolves when a request may be sent; rejects when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const milliseconds = this.reserve();
    if (milliseconds > 0) await pause(milliseconds, signal);
    signal.throwIfAborted();
  }

  /** The server said that it has too much to do. */
  closeFor(milliseconds: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, this.#nowMilliseconds() + milliseconds);
  }
}
