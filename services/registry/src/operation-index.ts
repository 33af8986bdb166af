/**
 * Operations by machine, from their bucket's one watch, and those who wait for news of a machine.
 *
 * Every agent and every replication server waits all the time. If each of them looked at all operations after each change,
 * one command at 10,000 machines would cost 20,000 looks at everything; here it costs those who wait for its machine one
 * look at what that machine has.
 */
import type { StateBucket } from '@lms/events';
import type { Operation } from '@lms/proto';

export type OperationBucket = Pick<StateBucket<Operation>, 'entries' | 'get' | 'onChange'>;

export class OperationIndex {
  readonly #bucket: OperationBucket;
  readonly #idsByMachine = new Map<string, Set<string>>();
  /** Operation id → machine id: of one that is gone, nothing else says whose it was. */
  readonly #machines = new Map<string, string>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #forget: () => void;

  constructor(bucket: OperationBucket) {
    this.#bucket = bucket;
    for (const { key, value } of bucket.entries()) this.#add(key, value.machineId);
    this.#forget = bucket.onChange((key, entry) => {
      const machineId = entry?.value.machineId ?? this.#machines.get(key);
      if (machineId === undefined) return;
      if (entry === null) this.#remove(key, machineId);
      else this.#add(key, machineId);
      for (const look of [...(this.#waiting.get(machineId) ?? [])]) look();
    });
  }

  close(): void {
    this.#forget();
  }

  /** Oldest first. */
  of(machineId: string): Operation[] {
    const operations: Operation[] = [];
    for (const operationId of this.#idsByMachine.get(machineId) ?? []) {
      const entry = this.#bucket.get(operationId);
      // The bucket was lost and made anew: nothing says of each one that it is gone.
      if (entry === null) this.#remove(operationId, machineId);
      else operations.push(entry.value);
    }
    return operations.sort(oldestFirst);
  }

  /**
   * Resolves when the condition holds; it is looked at now, and after each change of an operation of these machines, or of
   * what `also` tells of (it returns the way to end it).
   */
  async waitFor(
    machineIds: Iterable<string>,
    condition: () => boolean,
    signal: AbortSignal,
    also: (look: () => void) => () => void = () => () => undefined,
  ): Promise<void> {
    signal.throwIfAborted();
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      try {
        if (condition()) resolve();
      } catch (thrown) {
        reject(thrown as Error);
      }
    };
    const waited = [...new Set(machineIds)];
    for (const machineId of waited) this.#waitersOf(machineId).add(look);
    const forgetOther = also(look);
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      forgetOther();
      signal.removeEventListener('abort', giveUp);
      for (const machineId of waited) this.#forgetWaiter(machineId, look);
    }
  }

  #waitersOf(machineId: string): Set<() => void> {
    const waiters = this.#waiting.get(machineId) ?? new Set();
    this.#waiting.set(machineId, waiters);
    return waiters;
  }

  #forgetWaiter(machineId: string, look: () => void): void {
    const waiters = this.#waiting.get(machineId);
    waiters?.delete(look);
    if (waiters?.size === 0) this.#waiting.delete(machineId);
  }

  #add(operationId: string, machineId: string): void {
    const ids = this.#idsByMachine.get(machineId) ?? new Set();
    this.#idsByMachine.set(machineId, ids.add(operationId));
    this.#machines.set(operationId, machineId);
  }

  #remove(operationId: string, machineId: string): void {
    const ids = this.#idsByMachine.get(machineId);
    ids?.delete(operationId);
    if (ids?.size === 0) this.#idsByMachine.delete(machineId);
    this.#machines.delete(operationId);
  }
}

export function oldestFirst(one: Operation, other: Operation): number {
  return (one.createdAt?.getTime() ?? 0) - (other.createdAt?.getTime() ?? 0);
}
