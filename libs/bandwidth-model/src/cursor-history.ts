/**
 * How far sweeps have come, over time: 2.5 is two whole sweeps and half of a third.
 *
 * A block that was touched at `then` and is touched again now is dirty anew if a sweep has taken it in between. Sweeps pass
 * every place of the disk once for each 1 that the cursor moves, and where on the disk a block lies is not known: so the
 * cursor's way since then, at most 1, is the share of such blocks that are dirty anew.
 */
export class CursorHistory {
  readonly #stepSeconds: number;
  readonly #positions: number[] = [0];

  constructor(stepSeconds: number) {
    this.#stepSeconds = stepSeconds;
  }

  get position(): number {
    return this.#positions.at(-1) as number;
  }

  /** To be called once a step. */
  record(position: number): void {
    this.#positions.push(position);
  }

  shareTakenSince(ageSeconds: number): number {
    const index = Math.max(0, this.#positions.length - 1 - Math.round(ageSeconds / this.#stepSeconds));
    return Math.min(1, this.position - (this.#positions[index] as number));
  }
}
