/**
 * What a state bucket holds, in memory. Values come from two sides, the watch and our own writes, in any order; per key
 * the higher revision wins, so that memory never goes back.
 */
export interface StateEntry<Value> {
  readonly key: string;
  readonly value: Value;
  /** Of this key's newest write; what `update` and `delete` compare with. */
  readonly revision: number;
}

type Listener<Value> = (key: string, entry: StateEntry<Value> | null) => void;

export class StateMemory<Value> {
  #entries = new Map<string, StateEntry<Value>>();
  /** Revisions of our own deletions that the watch has not shown yet: an older value of theirs must not come back. */
  readonly #deleted = new Map<string, number>();
  readonly #listeners = new Set<Listener<Value>>();
  /** Those who wait for a revision: also told when only the revision has changed. */
  readonly #waiting = new Set<() => void>();
  #sorted: readonly StateEntry<Value>[] | null = null;
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): StateEntry<Value> | null {
    return this.#entries.get(key) ?? null;
  }

  sorted(): readonly StateEntry<Value>[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  put(entry: StateEntry<Value>): void {
    const known = Math.max(this.#entries.get(entry.key)?.revision ?? 0, this.#deleted.get(entry.key) ?? 0);
    if (entry.revision <= known) return;
    this.#deleted.delete(entry.key);
    this.#entries.set(entry.key, entry);
    this.#changed(entry.key, entry, entry.revision);
  }

  remove(key: string, revision: number): void {
    const known = this.#entries.get(key);
    if (revision <= (known?.revision ?? 0)) return;
    this.#deleted.set(key, revision);
    if (this.#entries.delete(key)) this.#changed(key, null, revision);
    else this.#seen(revision);
  }

  /** The watch has shown everything up to this revision. */
  settle(revision: number): void {
    for (const [key, deleted] of this.#deleted) if (deleted <= revision) this.#deleted.delete(key);
    this.#seen(revision);
  }

  /**
   * All that the bucket holds, after a watch was begun anew. Keys that are not among it are gone. `reset`: the bucket
   * itself is new, so that its revisions began again.
   */
  replace(entries: ReadonlyMap<string, StateEntry<Value>>, revision: number, reset: boolean): void {
    if (reset) {
      this.#entries.clear();
      this.#deleted.clear();
      this.#revision = 0;
      this.#sorted = null;
    }
    for (const [key, known] of this.#entries) {
      if (!entries.has(key) && known.revision <= revision) this.remove(key, Math.max(revision, known.revision + 1));
    }
    for (const entry of entries.values()) this.put(entry);
    this.settle(revision);
  }

  onChange(listener: Listener<Value>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async waitFor(condition: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (condition()) resolve();
    };
    this.#waiting.add(look);
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      this.#waiting.delete(look);
      signal.removeEventListener('abort', giveUp);
    }
  }

  #changed(key: string, entry: StateEntry<Value> | null, revision: number): void {
    this.#sorted = null;
    for (const listener of this.#listeners) listener(key, entry);
    this.#seen(revision);
  }

  #seen(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const look of this.#waiting) look();
  }
}
