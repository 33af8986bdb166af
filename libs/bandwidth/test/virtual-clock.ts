/** Time that passes only when nobody has anything left to do, and timers that come as late as the test says. */
import type { LimiterClock } from '../src/bandwidth-limiter.ts';

interface Sleeper {
  readonly atMilliseconds: number;
  readonly wake: () => void;
}

export class VirtualClock implements LimiterClock {
  readonly #startMilliseconds: number;
  readonly #latenessMilliseconds: () => number;
  readonly #sleepers: Sleeper[] = [];
  #nowMilliseconds = 0;

  constructor(startMilliseconds: number, latenessMilliseconds: () => number = () => 0) {
    this.#startMilliseconds = startMilliseconds;
    this.#latenessMilliseconds = latenessMilliseconds;
  }

  wallMicroseconds(): number {
    return (this.#startMilliseconds + this.#nowMilliseconds) * 1000;
  }

  monotonicMilliseconds(): number {
    return this.#nowMilliseconds;
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = {
      atMilliseconds: this.#nowMilliseconds + milliseconds + this.#latenessMilliseconds(),
      wake: resolve,
    };
    this.#sleepers.push(sleeper);
    const abort = (): void => {
      this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  /** Lets everything happen that happens within this time. */
  async pass(milliseconds: number): Promise<void> {
    const endMilliseconds = this.#nowMilliseconds + milliseconds;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#sleepers.sort((first, second) => first.atMilliseconds - second.atMilliseconds);
      const [next] = this.#sleepers;
      if (next === undefined || next.atMilliseconds > endMilliseconds) break;
      this.#sleepers.shift();
      this.#nowMilliseconds = Math.max(this.#nowMilliseconds, next.atMilliseconds);
      next.wake();
    }
    this.#nowMilliseconds = endMilliseconds;
  }
}
