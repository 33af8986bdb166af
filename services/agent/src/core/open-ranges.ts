/**
 * R3: ranges that a discard-like request may still change although no event will name them.
 *
 * Situation: the block layer merges several discards into one request and reports only one range when it completes.
 * Mechanism: each range is named once, when its bio is queued. From then on it is open, and is marked again at every
 * later completion of such a request on the disk. It closes when a proven drain found no write in flight and every
 * queued sector completed (queued minus completed is 0).
 * Special cases: completions of requests that were queued before tracing began must not pay for later ones, so only a
 * completion inside an open range counts, and within `SETTLE_MILLISECONDS` of the start none does; requests that end
 * without a completion leave the count above 0. A count that stays so for `SETTLE_MILLISECONDS` with nothing in flight is
 * taken as settled: a plug or an I/O scheduler never holds a request that long. More than `MAXIMUM_OPEN_RANGES` collapse
 * into one that spans them.
 */
const MAXIMUM_OPEN_RANGES = 4096;
export const SETTLE_MILLISECONDS = 1000;

export interface SectorRange {
  readonly sector: number;
  readonly sectorCount: number;
}

export class OpenRanges {
  #ranges: SectorRange[] = [];
  #outstandingSectors = 0;
  #changedAtMilliseconds: number;
  readonly #trustedFromMilliseconds: number;
  #completedSinceMark = false;

  constructor(nowMilliseconds: number) {
    this.#changedAtMilliseconds = nowMilliseconds;
    this.#trustedFromMilliseconds = nowMilliseconds + SETTLE_MILLISECONDS;
  }

  get count(): number {
    return this.#ranges.length;
  }

  get ranges(): readonly SectorRange[] {
    return this.#ranges;
  }

  queued(range: SectorRange, nowMilliseconds: number): void {
    this.#ranges.push(range);
    this.#outstandingSectors += range.sectorCount;
    this.#changedAtMilliseconds = nowMilliseconds;
    if (this.#ranges.length > MAXIMUM_OPEN_RANGES) this.#collapse();
  }

  completed(range: SectorRange, nowMilliseconds: number): void {
    const queuedHere = this.#ranges.some(
      ({ sector, sectorCount }) => sector <= range.sector && range.sector < sector + sectorCount,
    );
    if (queuedHere) this.#outstandingSectors -= range.sectorCount;
    this.#changedAtMilliseconds = nowMilliseconds;
    this.#completedSinceMark = true;
  }

  /** Calls `mark` with every open range if such a request completed since the last call. */
  markAgain(mark: (range: SectorRange) => void): void {
    if (!this.#completedSinceMark) return;
    this.#completedSinceMark = false;
    for (const range of this.#ranges) mark(range);
  }

  /** After a proven drain: closes the ranges if nothing that could change them is left. */
  settle(writesInFlight: number, nowMilliseconds: number): void {
    if (writesInFlight !== 0) return;
    const waited = nowMilliseconds - this.#changedAtMilliseconds >= SETTLE_MILLISECONDS;
    const balanced = this.#outstandingSectors === 0 && nowMilliseconds >= this.#trustedFromMilliseconds;
    if (!balanced && !waited) return;
    this.#ranges = [];
    this.#outstandingSectors = 0;
  }

  /** Ranges that an earlier process left open: they are settled by time, their count is not known. */
  restore(ranges: readonly SectorRange[], nowMilliseconds: number): void {
    for (const range of ranges) this.queued(range, nowMilliseconds);
  }

  #collapse(): void {
    const sector = Math.min(...this.#ranges.map((range) => range.sector));
    const end = Math.max(...this.#ranges.map((range) => range.sector + range.sectorCount));
    this.#ranges = [{ sector, sectorCount: end - sector }];
  }
}
