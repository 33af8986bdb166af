/**
 * Records on their way to the manager. While it is away they wait here, at most `capacity`; then the oldest go first, and
 * they are counted.
 */
export class Spool<Entry> {
  readonly #capacity: number;
  #entries: Entry[] = [];
  #dropped = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#entries.length;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#trim();
  }

  #trim(): void {
    const excess = this.#entries.length - this.#capacity;
    if (excess <= 0) return;
    this.#entries.splice(0, excess);
    this.#dropped += excess;
  }

  /** Takes the oldest out. */
  take(maximum: number): readonly Entry[] {
    return this.#entries.splice(0, maximum);
  }

  /** Puts back what could not be sent, in front. */
  putBack(entries: readonly Entry[]): void {
    this.#entries = [...entries, ...this.#entries];
    this.#trim();
  }

  /** How many were dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
