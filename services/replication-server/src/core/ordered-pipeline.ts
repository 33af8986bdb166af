/**
 * Situation: frames must reach the store in their order, one at a time, while decompression and digest checks of the next
 * ones run beside it. Mechanism: each entry brings work that has already begun (`prepared`) and a step that runs alone, in
 * order. Special cases: `push` waits while the window is full (R10), so a slow store stops the reading of the connection.
 * Failure: the first error stops everything; no step begins after `stop` returned (R11), and `idle` tells when the one
 * under way has ended.
 */
interface Entry {
  readonly bytes: number;
  readonly prepared: Promise<unknown>;
  readonly step: () => Promise<void>;
  /** Always called, once: the entry's buffers are free. */
  readonly settle: () => void;
}

export class OrderedPipeline {
  readonly #windowBytes: number;
  readonly #maximumEntries: number;
  readonly #onError: (error: unknown) => void;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #running: Promise<void> | null = null;
  #stopped = false;
  #roomWaiter: (() => void) | null = null;

  constructor(windowBytes: number, maximumEntries: number, onError: (error: unknown) => void) {
    this.#windowBytes = windowBytes;
    this.#maximumEntries = maximumEntries;
    this.#onError = onError;
  }

  /**
   * Resolves when there is room for another entry. `prepared` may reject: that stops the pipeline when its turn comes.
   * One caller at a time.
   */
  async push(entry: Entry): Promise<void> {
    // Its turn may come much later, or never: a rejection must not count as unhandled meanwhile.
    entry.prepared.catch(() => undefined);
    if (this.#stopped) {
      this.#settleAfterPreparation(entry);
      return;
    }
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#running ??= this.#run();
    while (!this.#stopped && (this.#bytes >= this.#windowBytes || this.#entries.length >= this.#maximumEntries)) {
      await new Promise<void>((resolve) => {
        this.#roomWaiter = resolve;
      });
    }
  }

  async #run(): Promise<void> {
    for (let entry = this.#entries[0]; entry !== undefined && !this.#stopped; entry = this.#entries[0]) {
      try {
        await entry.prepared;
        if (!this.#isStopped()) await entry.step();
      } catch (thrown) {
        this.stop();
        this.#onError(thrown);
      }
      this.#entries.shift();
      this.#bytes -= entry.bytes;
      entry.settle();
      this.#wakeWaiter();
    }
    this.#running = null;
    for (const entry of this.#entries.splice(0)) this.#settleAfterPreparation(entry);
  }

  /** Read through a method: the value changes across an await, which narrowing does not see. */
  #isStopped(): boolean {
    return this.#stopped;
  }

  /** A decompression under way still reads the buffers. */
  #settleAfterPreparation(entry: Entry): void {
    entry.prepared.then(entry.settle, entry.settle);
  }

  #wakeWaiter(): void {
    const waiter = this.#roomWaiter;
    this.#roomWaiter = null;
    waiter?.();
  }

  /** No further step begins. Safe to repeat. */
  stop(): void {
    this.#stopped = true;
    this.#wakeWaiter();
  }

  /** Resolves when everything pushed has run, or when the step under way at `stop` has ended. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }
}
