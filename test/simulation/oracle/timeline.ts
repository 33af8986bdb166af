/**
 * The content of all source disks at every instant of a history.
 *
 * Content is a version per sector (512 bytes): version v is the 32-bit number v repeated, version 0 is zeros. Every
 * change of any disk, whoever made it, is one entry of one log; the content at an instant is the log replayed up to
 * it, from the nearest snapshot. One log for all disks, because a point in time is one instant of all of them (R13).
 */
export const SECTOR_BYTES = 512;
const WORDS_PER_SECTOR = SECTOR_BYTES / 4;
const SNAPSHOT_EVERY = 1024;

interface Change {
  readonly atMicroseconds: number;
  readonly disk: number;
  readonly sector: number;
  readonly count: number;
  readonly version: number;
}

export class Timeline {
  readonly #now: () => number;
  readonly #current: readonly Uint32Array[];
  readonly #changes: Change[] = [];
  readonly #snapshots: (readonly Uint32Array[])[] = [];
  #lastVersion = 0;

  constructor(now: () => number, sectorsPerDisk: readonly number[]) {
    this.#now = now;
    this.#current = sectorsPerDisk.map((sectors) => new Uint32Array(sectors));
    this.#snapshots.push(this.#copyCurrent());
  }

  get changeCount(): number {
    return this.#changes.length;
  }

  /** A version that no sector has had before. */
  newVersion(): number {
    return ++this.#lastVersion;
  }

  record(disk: number, sector: number, count: number, version: number): void {
    this.#changes.push({ atMicroseconds: this.#now(), disk, sector, count, version });
    (this.#current[disk] as Uint32Array).fill(version, sector, sector + count);
    if (this.#changes.length % SNAPSHOT_EVERY === 0) this.#snapshots.push(this.#copyCurrent());
  }

  /** Numbers of log entries after which the disks were as they were at that time: several when changes happened in that very microsecond. */
  positionsAt(microseconds: number): { readonly first: number; readonly last: number } {
    return { first: this.#countBefore(microseconds), last: this.#countBefore(microseconds + 1) };
  }

  timeOfChange(position: number): number {
    return this.#changes[position]?.atMicroseconds ?? Number.POSITIVE_INFINITY;
  }

  /** Versions of every sector of every disk after `position` log entries. */
  contentAfter(position: number): readonly Uint32Array[] {
    const snapshot = Math.floor(position / SNAPSHOT_EVERY);
    const content = (this.#snapshots[snapshot] as readonly Uint32Array[]).map((versions) => versions.slice());
    for (let index = snapshot * SNAPSHOT_EVERY; index < position; index++) {
      const change = this.#changes[index] as Change;
      (content[change.disk] as Uint32Array).fill(change.version, change.sector, change.sector + change.count);
    }
    return content;
  }

  /** The last change of a sector at or before a position, for the story of a failure. */
  describeSector(disk: number, sector: number, position: number): string {
    const story: string[] = [];
    for (let index = this.#changes.length - 1; index >= 0 && story.length < 6; index--) {
      const change = this.#changes[index] as Change;
      if (change.disk !== disk || sector < change.sector || sector >= change.sector + change.count) continue;
      const side = index < position ? 'before' : 'after';
      story.push(`version ${change.version} at ${change.atMicroseconds} µs (${side} the instant)`);
    }
    return story.length === 0 ? 'never written' : story.toReversed().join('; ');
  }

  #copyCurrent(): readonly Uint32Array[] {
    return this.#current.map((versions) => versions.slice());
  }

  #countBefore(microseconds: number): number {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle] as Change).atMicroseconds < microseconds) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Writes the bytes of a version into sectors of a disk's content. */
export function fillSectors(words: Uint32Array, sector: number, count: number, version: number): void {
  words.fill(version, sector * WORDS_PER_SECTOR, (sector + count) * WORDS_PER_SECTOR);
}

/** First sector whose bytes are not those of its version; null when all agree. */
export function findDifference(bytes: Uint8Array, versions: Uint32Array, firstSector: number): number | null {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let index = 0; index < words.length; index++) {
    const sector = firstSector + Math.floor(index / WORDS_PER_SECTOR);
    if (words[index] !== versions[sector]) return sector;
  }
  return null;
}
