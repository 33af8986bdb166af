/** A set of blocks of one disk: one bit a block, so 2 MiB for each TiB of disk. */
export interface BlockRange {
  readonly firstBlock: number;
  readonly blockCount: number;
}

const ALL = 0xffff_ffff;

export class BlockMap {
  readonly blockCount: number;
  readonly words: Uint32Array;
  #count = 0;

  constructor(blockCount: number) {
    this.blockCount = blockCount;
    this.words = new Uint32Array(Math.ceil(blockCount / 32));
  }

  /** Blocks in the set. */
  get count(): number {
    return this.#count;
  }

  has(block: number): boolean {
    return ((this.words[block >>> 5] as number) >>> (block & 31)) % 2 === 1;
  }

  /** Adds a range; what lies outside the disk is a programmer's error. */
  add(firstBlock: number, blockCount: number): void {
    this.#change(firstBlock, blockCount, true);
  }

  remove(firstBlock: number, blockCount: number): void {
    this.#change(firstBlock, blockCount, false);
  }

  addAll(): void {
    if (this.blockCount > 0) this.add(0, this.blockCount);
  }

  clear(): void {
    if (this.#count === 0) return;
    this.words.fill(0);
    this.#count = 0;
  }

  addMap(other: BlockMap): void {
    if (other.#count === 0) return;
    let count = 0;
    for (let index = 0; index < this.words.length; index++) {
      const word = (this.words[index] as number) | (other.words[index] as number);
      this.words[index] = word;
      if (word !== 0) count += bitCount(word);
    }
    this.#count = count;
  }

  /** Takes over bits as they were saved; bits beyond the last block are dropped. */
  load(saved: Uint8Array): void {
    new Uint8Array(this.words.buffer).set(saved.subarray(0, this.words.byteLength));
    const tail = this.blockCount & 31;
    if (tail !== 0) {
      const last = this.words.length - 1;
      this.words[last] = (this.words[last] as number) & (ALL >>> (32 - tail));
    }
    let count = 0;
    for (const word of this.words) if (word !== 0) count += bitCount(word);
    this.#count = count;
  }

  /** First run of blocks at or after `from`, at most `maximumBlocks` long; null when there is none up to the end. */
  nextRange(from: number, maximumBlocks: number): BlockRange | null {
    const first = this.#nextBlock(from);
    if (first === null) return null;
    let end = first + 1;
    const limit = Math.min(this.blockCount, first + maximumBlocks);
    while (end < limit && this.has(end)) end++;
    return { firstBlock: first, blockCount: end - first };
  }

  #nextBlock(from: number): number | null {
    if (this.#count === 0 || from >= this.blockCount) return null;
    let index = from >>> 5;
    let word = ((this.words[index] as number) & (ALL << (from & 31))) >>> 0;
    while (word === 0) {
      index++;
      if (index >= this.words.length) return null;
      word = this.words[index] as number;
    }
    return index * 32 + (31 - Math.clz32(word & -word));
  }

  #change(firstBlock: number, blockCount: number, present: boolean): void {
    const end = firstBlock + blockCount;
    if (firstBlock < 0 || blockCount < 1 || end > this.blockCount) {
      throw new RangeError(`blocks ${firstBlock} to ${end} of a map of ${this.blockCount}`);
    }
    for (let block = firstBlock; block < end;) {
      const index = block >>> 5;
      const bit = block & 31;
      const length = Math.min(32 - bit, end - block);
      const mask = (length === 32 ? ALL : ((1 << length) - 1) << bit) >>> 0;
      const before = this.words[index] as number;
      const after = (present ? before | mask : before & ~mask) >>> 0;
      if (after !== before) {
        this.words[index] = after;
        this.#count += bitCount(after) - bitCount(before);
      }
      block += length;
    }
  }
}

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
