/**
 * Page-aligned buffers of 1 MiB for O_DIRECT, a fixed number of them (R10): who wants one more waits.
 *
 * They are allocated when first needed and kept: an idle agent stays small, a busy one does not churn.
 */
import { allocateAlignedMemory } from '@lms/linux';
import type { BufferPool } from '../../core/ports.ts';

export const BUFFER_SIZE_BYTES = 1024 * 1024;

interface Waiter {
  give(buffer: Uint8Array): void;
}

export function createBufferPool(capacityBuffers: number): BufferPool {
  if (!Number.isSafeInteger(capacityBuffers) || capacityBuffers < 1) {
    throw new RangeError(`a pool of ${capacityBuffers} buffers`);
  }
  const free: Uint8Array[] = [];
  const given = new Set<Uint8Array>();
  const waiters = new Set<Waiter>();
  let allocated = 0;

  const take = (buffer: Uint8Array): Uint8Array => {
    given.add(buffer);
    return buffer;
  };

  return {
    capacityBuffers,
    acquire(signal) {
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      const buffer = free.pop();
      if (buffer !== undefined) return Promise.resolve(take(buffer));
      if (allocated < capacityBuffers) {
        allocated++;
        return Promise.resolve(take(allocateAlignedMemory(BUFFER_SIZE_BYTES)));
      }
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          give(freed) {
            signal.removeEventListener('abort', cancel);
            resolve(take(freed));
          },
        };
        const cancel = (): void => {
          waiters.delete(waiter);
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', cancel, { once: true });
        waiters.add(waiter);
      });
    },
    release(buffer) {
      if (!given.delete(buffer)) throw new RangeError('a buffer that is not given out was released');
      const [waiter] = waiters; // the first that came
      if (waiter === undefined) {
        free.push(buffer);
        return;
      }
      waiters.delete(waiter);
      waiter.give(buffer);
    },
  };
}
