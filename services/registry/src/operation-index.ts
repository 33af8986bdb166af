/**
 * Operations by subject, from their bucket's one watch, and those who wait for news of a subject: a machine, or a
 * replication server itself.
 *
 * Every agent and every replication server waits all the time. If each of them looked at all operations after each change,
 * one command at 10,000 machines would cost 20,000 looks at everything; here it costs those who wait for its machine one
 * look at what that machine has.
 */
import type { StateBucket } from '@lms/events';
import type { Operation } from '@lms/proto';

export type OperationBucket = Pick<StateBucket<Operation>, 'entries' | 'get' | 'onChange'>;

/** Whose an operation is: a machine's by its id, or a replication server's own. A server can have the name of a machine's id. */
export function subjectOf({ machineId, replicationServer }: Operation): string {
  return replicationServer === '' ? machineId : serverSubject(replicationServer);
}

export function serverSubject(replicationServer: string): string {
  return `replication-server/${replicationServer}`;
}

export class OperationIndex {
  readonly #bucket: OperationBucket;
  readonly #idsBySubject = new Map<string, Set<string>>();
  /** Operation id → its subject: of one that is gone, nothing else says whose it was. */
  readonly #subjects = new Map<string, string>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #forget: () => void;

  constructor(bucket: OperationBucket) {
    this.#bucket = bucket;
    for (const { key, value } of bucket.entries()) this.#add(key, subjectOf(value));
    this.#forget = bucket.onChange((key, entry) => {
      const subject = entry === null ? this.#subjects.get(key) : subjectOf(entry.value);
      if (subject === undefined) return;
      if (entry === null) this.#remove(key, subject);
      else this.#add(key, subject);
      for (const look of [...(this.#waiting.get(subject) ?? [])]) look();
    });
  }

  close(): void {
    this.#forget();
  }

  /** Oldest first. */
  of(subject: string): Operation[] {
    const operations: Operation[] = [];
    for (const operationId of this.#idsBySubject.get(subject) ?? []) {
      const entry = this.#bucket.get(operationId);
      // The bucket was lost and made anew: nothing says of each one that it is gone.
      if (entry === null) this.#remove(operationId, subject);
      else operations.push(entry.value);
    }
    return operations.sort(oldestFirst);
  }

  /**
   * Resolves when the condition holds; it is looked at now, and after each change of an operation of these subjects, or of
   * what `also` tells of (it returns the way to end it).
   */
  async waitFor(
    subjects: Iterable<string>,
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
    const waited = [...new Set(subjects)];
    for (const subject of waited) this.#waitersOf(subject).add(look);
    const forgetOther = also(look);
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      forgetOther();
      signal.removeEventListener('abort', giveUp);
      for (const subject of waited) this.#forgetWaiter(subject, look);
    }
  }

  #waitersOf(subject: string): Set<() => void> {
    const waiters = this.#waiting.get(subject) ?? new Set();
    this.#waiting.set(subject, waiters);
    return waiters;
  }

  #forgetWaiter(subject: string, look: () => void): void {
    const waiters = this.#waiting.get(subject);
    waiters?.delete(look);
    if (waiters?.size === 0) this.#waiting.delete(subject);
  }

  #add(operationId: string, subject: string): void {
    const ids = this.#idsBySubject.get(subject) ?? new Set();
    this.#idsBySubject.set(subject, ids.add(operationId));
    this.#subjects.set(operationId, subject);
  }

  #remove(operationId: string, subject: string): void {
    const ids = this.#idsBySubject.get(subject);
    ids?.delete(operationId);
    if (ids?.size === 0) this.#idsBySubject.delete(subject);
    this.#subjects.delete(operationId);
  }
}

export function oldestFirst(one: Operation, other: Operation): number {
  return (one.createdAt?.getTime() ?? 0) - (other.createdAt?.getTime() ?? 0);
}
