/**
 * A database that orders its writes across two disks (R13): each write is one sector with a version of its own, and the
 * next one, to the other disk, begins only when it is done. So what a point holds of them is a prefix of the sequence,
 * whatever instant it names.
 */

/** The first sectors of every disk: no other writer and no fault touches them. */
export const RESERVED_SECTORS = 4;

export interface OrderedWrite {
  readonly disk: number;
  readonly sector: number;
  readonly version: number;
}

export class OrderedWrites {
  readonly #writes: OrderedWrite[] = [];
  readonly #diskCount: number;

  constructor(diskCount: number) {
    this.#diskCount = diskCount;
  }

  /** The next of the sequence; to be called when the one before is done. */
  begin(version: number): OrderedWrite {
    const number = this.#writes.length;
    const sector = Math.floor(number / this.#diskCount) % RESERVED_SECTORS;
    const write = { disk: number % this.#diskCount, sector, version };
    this.#writes.push(write);
    return write;
  }

  /** After a crash of the machine: the last write may never have reached its disk, and then it never was. */
  settle(holds: (write: OrderedWrite) => boolean): void {
    const last = this.#writes.at(-1);
    if (last !== undefined && !holds(last)) this.#writes.pop();
  }

  /** Null when these versions (of each disk's reserved sectors) are those after a prefix of the sequence, else why not. */
  judge(versions: readonly (readonly number[])[]): string | null {
    const newest = Math.max(...versions.flat());
    const length = newest === 0 ? 0 : this.#writes.findIndex(({ version }) => version === newest) + 1;
    if (newest !== 0 && length === 0) return `version ${newest} was never written there`;
    const expected = versions.map((sectors) => sectors.map(() => 0));
    for (const { disk, sector, version } of this.#writes.slice(0, length)) {
      (expected[disk] as number[])[sector] = version;
    }
    if (JSON.stringify(expected) === JSON.stringify(versions)) return null;
    return `it holds write ${length}, so [${expected.join('] [')}], but has [${versions.join('] [')}]`;
  }
}
