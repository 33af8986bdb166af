/**
 * Index of the segment that is being written: which block got which content, in order.
 *
 * 24 bytes for each block written (not: each block that differs), in typed arrays that double: up to 48 while they grow. At most
 * `MAXIMUM_INDEXED_BLOCKS`, 12 MiB; then the segment is sealed and the next begins, so memory stays bounded
 * however much changes between two points. A sealed segment keeps 4 bytes per 128 blocks.
 */
import { DIGEST_BYTES } from '@lms/block-stream';
import { ENTRY_BYTES } from './segment-format.ts';

/** 16 GiB of content. */
export const MAXIMUM_INDEXED_BLOCKS = 262_144;

interface SlotLog {
  entries: Buffer;
  count: number;
}

/** Sorted by block, each block once. */
export interface SlotEntries {
  readonly slot: number;
  readonly entries: Buffer;
}

export class EntryLog {
  #slots = new Map<number, SlotLog>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `unitStep`: distance in sectors between the contents of consecutive blocks; 0 for zero blocks, which have none. */
  append(
    slot: number,
    firstBlock: number,
    blockCount: number,
    unit: number,
    unitStep: number,
    digests: Uint8Array,
  ): void {
    const log = this.#room(slot, blockCount);
    for (let index = 0; index < blockCount; index += 1) {
      const at = (log.count + index) * ENTRY_BYTES;
      log.entries.writeUInt32LE(firstBlock + index, at);
      log.entries.writeUInt32LE(unit + index * unitStep, at + 4);
      log.entries.set(digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES), at + 8);
    }
    log.count += blockCount;
    this.#size += blockCount;
  }

  /** The last entry of each block. */
  sorted(): SlotEntries[] {
    return [...this.#slots.keys()]
      .sort((first, second) => first - second)
      .map((slot) => ({ slot, entries: sortedEntries(this.#room(slot, 0)) }));
  }

  #room(slot: number, blocks: number): SlotLog {
    let log = this.#slots.get(slot);
    if (log === undefined) {
      log = { entries: Buffer.alloc(256 * ENTRY_BYTES), count: 0 };
      this.#slots.set(slot, log);
    }
    const needed = (log.count + blocks) * ENTRY_BYTES;
    if (needed > log.entries.length) {
      const larger = Buffer.alloc(Math.max(needed, log.entries.length * 2));
      log.entries.copy(larger);
      log.entries = larger;
    }
    return log;
  }
}

function sortedEntries({ entries, count }: SlotLog): Buffer {
  // Block and order in one number, so that the engine's own numeric sort does it: 32 + 18 bits fit into a double.
  const keys = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    keys[index] = entries.readUInt32LE(index * ENTRY_BYTES) * MAXIMUM_INDEXED_BLOCKS + index;
  }
  keys.sort();
  const sorted = Buffer.alloc(count * ENTRY_BYTES);
  let length = 0;
  for (let position = 0; position < count; position += 1) {
    const key = keys[position] ?? 0;
    const next = keys[position + 1];
    const block = Math.floor(key / MAXIMUM_INDEXED_BLOCKS);
    if (next !== undefined && Math.floor(next / MAXIMUM_INDEXED_BLOCKS) === block) continue;
    const at = (key % MAXIMUM_INDEXED_BLOCKS) * ENTRY_BYTES;
    length += entries.copy(sorted, length, at, at + ENTRY_BYTES);
  }
  return sorted.subarray(0, length);
}
