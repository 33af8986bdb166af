/** A set of blocks of one disk: one bit each, 2 MiB for a disk of 1 TiB. */
export class BlockSet {
  #bits: Uint8Array;
  #count = 0;
  readonly blockCount: number;

  constructor(blockCount: number, full = false) {
    this.blockCount = blockCount;
    this.#bits = new Uint8Array(Math.ceil(blockCount / 8));
    if (full) this.addRange(0, blockCount);
  }

  get size(): number {
    return this.#count;
  }

  has(block: number): boolean {
    return ((this.#bits[block >>> 3] ?? 0) & (1 << (block & 7))) !== 0;
  }

  hasAny(first: number, count: number): boolean {
    if (this.#count === 0) return false;
    for (let block = first; block < first + count;) {
      if ((block & 7) === 0 && block + 8 <= first + count) {
        if (this.#bits[block >>> 3] !== 0) return true;
        block += 8;
      } else {
        if (this.has(block)) return true;
        block += 1;
      }
    }
    return false;
  }

  addRange(first: number, count: number): void {
    for (let block = first; block < first + count;) {
      if ((block & 7) === 0 && block + 8 <= first + count) {
        this.#count += 8 - bitCount(this.#bits[block >>> 3] ?? 0);
        this.#bits[block >>> 3] = 0xff;
        block += 8;
      } else {
        if (!this.has(block)) {
          this.#bits[block >>> 3] = (this.#bits[block >>> 3] ?? 0) | (1 << (block & 7));
          this.#count += 1;
        }
        block += 1;
      }
    }
  }

  deleteRange(first: number, count: number): void {
    if (this.#count === 0) return;
    for (let block = first; block < first + count;) {
      if ((block & 7) === 0 && block + 8 <= first + count) {
        this.#count -= bitCount(this.#bits[block >>> 3] ?? 0);
        this.#bits[block >>> 3] = 0;
        block += 8;
      } else {
        if (this.has(block)) {
          this.#bits[block >>> 3] = (this.#bits[block >>> 3] ?? 0) & ~(1 << (block & 7));
          this.#count -= 1;
        }
        block += 1;
      }
    }
  }

  clear(): void {
    this.#bits.fill(0);
    this.#count = 0;
  }
}

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
