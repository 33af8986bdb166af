/** Buffers of 1 MiB for the agent. A released one is filled with rubbish: whoever still uses it sends rubbish. */
import type { BufferPool } from '../../../services/agent/src/core/index.ts';
import type { SimulatedProcess } from '../process.ts';

const BUFFER_BYTES = 1024 * 1024;
const RUBBISH = 0xa5;

interface Waiter {
  readonly resolve: (buffer: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
}

export class SimulatedBufferPool implements BufferPool {
  readonly capacityBuffers: number;
  readonly #process: SimulatedProcess;
  readonly #free: Uint8Array[];
  readonly #lent = new Set<Uint8Array>();
  readonly #waiters: Waiter[] = [];

  constructor(process: SimulatedProcess, capacityBuffers: number) {
    this.#process = process;
    this.capacityBuffers = capacityBuffers;
    this.#free = Array.from({ length: capacityBuffers }, () => new Uint8Array(BUFFER_BYTES));
  }

  get lentCount(): number {
    return this.#lent.size;
  }

  acquire(signal: AbortSignal): Promise<Uint8Array> {
    return this.#process.call('pool.acquire', 0, () => this.#take(signal));
  }

  release(buffer: Uint8Array): void {
    this.#process.step('pool.release', () => {
      if (!this.#lent.delete(buffer)) throw new RangeError('a buffer was released that was not lent');
      buffer.fill(RUBBISH);
      const waiter = this.#waiters.shift();
      if (waiter === undefined) {
        this.#free.push(buffer);
        return;
      }
      this.#lent.add(buffer);
      waiter.resolve(buffer);
    });
  }

  #take(signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const buffer = this.#free.pop();
    if (buffer !== undefined) {
      this.#lent.add(buffer);
      return Promise.resolve(buffer);
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      this.#waiters.push(waiter);
      signal.addEventListener(
        'abort',
        () => {
          const index = this.#waiters.indexOf(waiter);
          if (index < 0) return;
          this.#waiters.splice(index, 1);
          reject(signal.reason as Error);
        },
        { once: true },
      );
    });
  }
}
