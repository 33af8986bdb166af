/**
 * Digests of the replica as it is now, in the journal form: the base's, overlaid by those of every segment and of every write.
 * Derived, and made anew at each opening, so nothing of it has to be durable; in a file, so that it costs no memory.
 */
import type { Digester } from '@lms/block-stream';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import type { StoredDisk } from '../record/machine-record.ts';
import { BlockSet } from '../replica/block-set.ts';
import { DigestTable, forget, isUnknown } from '../replica/digest-table.ts';
import { createSized, digestsPath } from '../replica/disk-replica.ts';
import { blockCountOf, rangeBytes } from '../replica/geometry.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import { BASE_FOLDER } from './base-merge.ts';
import { mergedEntries, runsOf } from './entry-cursor.ts';
import type { SealedSegment } from './sealed-segment.ts';
import { SECTORS_PER_BLOCK } from './segment-writer.ts';

export const CURRENT_FOLDER = 'current';
const COPY_BLOCKS = 65_536;
const RUN_BLOCKS = 1024;

export class CurrentDigests {
  readonly disk: StoredDisk;
  #table: DigestTable;
  #unknown: BlockSet;
  #changed: BlockSet;
  /** Blocks whose digests a full disk refused half-way: not vouched for until they come again. */
  #torn: BlockSet;

  private constructor(disk: StoredDisk, table: DigestTable) {
    this.disk = disk;
    this.#table = table;
    this.#unknown = new BlockSet(blockCountOf(disk), true);
    this.#changed = new BlockSet(blockCountOf(disk));
    this.#torn = new BlockSet(blockCountOf(disk));
  }

  /** From the base's table and the segments, oldest first. */
  static async build(
    files: StoreFileSystem,
    disk: StoredDisk,
    segments: readonly SealedSegment[],
  ): Promise<CurrentDigests> {
    const path = digestsPath(CURRENT_FOLDER, disk.slot);
    await createSized(files, path, blockCountOf(disk) * DIGEST_BYTES);
    const current = new CurrentDigests(disk, new DigestTable(await files.open(path), false));
    await current.#copyBase(files);
    for (const segment of segments) {
      for await (const batch of mergedEntries([segment], disk.slot)) {
        for (const run of runsOf(batch, SECTORS_PER_BLOCK, RUN_BLOCKS)) {
          const digests = Buffer.concat(run.map(({ digest }) => digest));
          await current.#set(run[0]?.block ?? 0, digests);
        }
      }
    }
    return current;
  }

  get unknownBlocks(): number {
    return this.#unknown.size;
  }

  get changedBytes(): number {
    return this.#changed.size * BLOCK_SIZE_BYTES;
  }

  clearChanged(): void {
    this.#changed.clear();
  }

  get isEmpty(): boolean {
    return this.#unknown.size === blockCountOf(this.disk);
  }

  /** May fail for want of space; then nothing has changed. */
  prepare(firstBlock: number, blockCount: number): Promise<void> {
    return this.#table.prepare(firstBlock, blockCount);
  }

  async set(firstBlock: number, digests: Uint8Array): Promise<void> {
    await this.#set(firstBlock, digests);
    this.#changed.addRange(firstBlock, digests.length / DIGEST_BYTES);
    this.#torn.deleteRange(firstBlock, digests.length / DIGEST_BYTES);
  }

  async zero(digester: Digester, firstBlock: number, blockCount: number): Promise<void> {
    this.#torn.addRange(firstBlock, blockCount);
    const last = blockCountOf(this.disk) - 1;
    const endsShort = firstBlock + blockCount - 1 === last && this.disk.sizeBytes % BLOCK_SIZE_BYTES !== 0;
    const whole = endsShort ? blockCount - 1 : blockCount;
    if (whole > 0) await this.#table.fill(firstBlock, whole, digester.zeroDigest(BLOCK_SIZE_BYTES));
    if (endsShort) await this.#table.fill(last, 1, digester.zeroDigest(rangeBytes(this.disk, last, 1)));
    this.#unknown.deleteRange(firstBlock, blockCount);
    this.#changed.addRange(firstBlock, blockCount);
    this.#torn.deleteRange(firstBlock, blockCount);
  }

  get tornBlocks(): number {
    return this.#torn.size;
  }

  async get(firstBlock: number, blockCount: number): Promise<Uint8Array> {
    const digests = await this.#table.get(firstBlock, blockCount);
    if (this.#torn.size > 0) {
      for (let index = 0; index < blockCount; index += 1)
        if (this.#torn.has(firstBlock + index)) forget(digests, index);
    }
    return digests;
  }

  close(): Promise<void> {
    return this.#table.close();
  }

  async #set(firstBlock: number, digests: Uint8Array): Promise<void> {
    await this.#table.set(firstBlock, digests);
    this.#unknown.deleteRange(firstBlock, digests.length / DIGEST_BYTES);
  }

  async #copyBase(files: StoreFileSystem): Promise<void> {
    const base = await files.open(digestsPath(BASE_FOLDER, this.disk.slot));
    try {
      const blocks = blockCountOf(this.disk);
      for (let first = 0; first < blocks; first += COPY_BLOCKS) {
        const count = Math.min(COPY_BLOCKS, blocks - first);
        const digests = new Uint8Array(count * DIGEST_BYTES);
        await base.read(first * DIGEST_BYTES, digests);
        await this.#copyKnown(first, count, digests);
      }
    } finally {
      await base.close();
    }
  }

  /** Runs of known digests only, so that what nobody sent stays a hole. */
  async #copyKnown(first: number, count: number, digests: Uint8Array): Promise<void> {
    for (let index = 0; index < count;) {
      if (isUnknown(digests, index)) {
        index += 1;
        continue;
      }
      let end = index + 1;
      while (end < count && !isUnknown(digests, end)) end += 1;
      await this.#set(first + index, digests.subarray(index * DIGEST_BYTES, end * DIGEST_BYTES));
      index = end;
    }
  }
}
