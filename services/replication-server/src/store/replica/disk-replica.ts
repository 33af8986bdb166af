/**
 * One disk written in place: a raw image and the table of its digests.
 *
 * Situation: a write changes 64 KiB blocks in the image and 16 bytes each in the table, in no order that a power cut
 * would respect. Mechanism: nothing is promised before `sync` (R14); after an unclean end every block is *suspect* until
 * it is written again or was compared with its digest (R15), so a torn block is never vouched for.
 * Special cases: a refused write (full disk) may have taken a part: its blocks are *torn* until they are written again,
 * and stop every mark and point meanwhile. Zeros over blocks that hold no data touch no file but the table.
 * Failure: sync errors are the caller's to remember.
 */
import type { Digester } from '@lms/block-stream';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES, equalDigests } from '@lms/block-stream';
import type { StoredDisk } from '../record/machine-record.ts';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';
import { BlockSet } from './block-set.ts';
import { DigestTable, forget, isUnknown } from './digest-table.ts';
import { blockCountOf, rangeBytes } from './geometry.ts';

/** 1 MiB: one read for the blocks that one write brings. */
const COMPARE_BLOCKS = 16;
/** 65,536 digests, 1 MiB. */
const SCAN_BLOCKS = 65_536;

export function imagePath(folder: string, slot: number): string {
  return `${folder}/disk-${slot}.raw`;
}

export function digestsPath(folder: string, slot: number): string {
  return `${folder}/disk-${slot}.digests`;
}

/** Makes the files of a new disk, empty and of their full size. Durable after `syncFolder`. */
export async function createDiskFiles(files: StoreFileSystem, folder: string, disk: StoredDisk): Promise<void> {
  await createSized(files, imagePath(folder, disk.slot), disk.sizeBytes);
  await createSized(files, digestsPath(folder, disk.slot), blockCountOf(disk) * DIGEST_BYTES);
}

export async function createSized(files: StoreFileSystem, path: string, sizeBytes: number): Promise<void> {
  const file = await files.create(path);
  await file.truncate(sizeBytes);
  await file.close();
}

export class DiskReplica {
  readonly disk: StoredDisk;
  #image: StoreFile;
  #digests: DigestTable;
  #digester: Digester;
  #imageDirty: boolean;
  /** Blocks without a known digest. */
  #unknown: BlockSet;
  /** Blocks whose place in the image may hold bytes. */
  #data: BlockSet;
  #suspect: BlockSet;
  #torn: BlockSet;
  /** Written since the last point. */
  #changed: BlockSet;

  private constructor(disk: StoredDisk, image: StoreFile, digests: DigestTable, digester: Digester, isClean: boolean) {
    const blocks = blockCountOf(disk);
    this.disk = disk;
    this.#image = image;
    this.#digests = digests;
    this.#digester = digester;
    this.#imageDirty = !isClean;
    this.#unknown = new BlockSet(blocks);
    this.#data = new BlockSet(blocks, !isClean);
    this.#suspect = new BlockSet(blocks, !isClean);
    this.#torn = new BlockSet(blocks);
    this.#changed = new BlockSet(blocks);
  }

  /** `isClean`: the store was closed in order, so image and digests agree and are durable. */
  static async open(
    files: StoreFileSystem,
    folder: string,
    disk: StoredDisk,
    digester: Digester,
    isClean: boolean,
  ): Promise<DiskReplica> {
    const image = await files.open(imagePath(folder, disk.slot));
    const table = await files.open(digestsPath(folder, disk.slot));
    if ((await image.size()) !== disk.sizeBytes) await image.truncate(disk.sizeBytes);
    const digests = new DigestTable(table, !isClean);
    const replica = new DiskReplica(disk, image, digests, digester, isClean);
    if (!isClean) {
      await image.dropCache();
      await digests.dropCache();
    }
    await replica.#scan(isClean);
    return replica;
  }

  /** Blocks that have no digest or a torn write: no point can be made of them (R15). */
  get incompleteBlocks(): number {
    return this.#unknown.size + this.#torn.size;
  }

  get tornBlocks(): number {
    return this.#torn.size;
  }

  get changedBytes(): number {
    return this.#changed.size * BLOCK_SIZE_BYTES;
  }

  clearChanged(): void {
    this.#changed.clear();
  }

  get isTrusted(): boolean {
    return this.#suspect.size === 0 && this.#torn.size === 0;
  }

  get isEmpty(): boolean {
    return this.#unknown.size === blockCountOf(this.disk);
  }

  async write(firstBlock: number, blockCount: number, data: Uint8Array, digests: Uint8Array): Promise<void> {
    await this.#digests.prepare(firstBlock, blockCount);
    this.#imageDirty = true;
    this.#data.addRange(firstBlock, blockCount);
    this.#torn.addRange(firstBlock, blockCount);
    await this.#image.write(firstBlock * BLOCK_SIZE_BYTES, data);
    await this.#digests.set(firstBlock, digests);
    this.#known(firstBlock, blockCount);
  }

  async zero(firstBlock: number, blockCount: number): Promise<void> {
    await this.#digests.prepare(firstBlock, blockCount);
    if (this.#data.hasAny(firstBlock, blockCount)) {
      this.#imageDirty = true;
      this.#torn.addRange(firstBlock, blockCount);
      await this.#image.punch(firstBlock * BLOCK_SIZE_BYTES, rangeBytes(this.disk, firstBlock, blockCount));
      this.#data.deleteRange(firstBlock, blockCount);
    }
    this.#torn.addRange(firstBlock, blockCount);
    const last = blockCountOf(this.disk) - 1;
    const lastBytes = rangeBytes(this.disk, last, 1);
    const endsShort = firstBlock + blockCount - 1 === last && lastBytes !== BLOCK_SIZE_BYTES;
    const whole = endsShort ? blockCount - 1 : blockCount;
    if (whole > 0) await this.#digests.fill(firstBlock, whole, this.#digester.zeroDigest(BLOCK_SIZE_BYTES));
    if (endsShort) await this.#digests.fill(last, 1, this.#digester.zeroDigest(lastBytes));
    this.#known(firstBlock, blockCount);
  }

  /** R15: what is suspect is compared first; a block that differs from its digest has none any more. */
  async digests(firstBlock: number, blockCount: number): Promise<Uint8Array> {
    const digests = await this.#digests.get(firstBlock, blockCount);
    for (let done = 0; done < blockCount; done += COMPARE_BLOCKS) {
      const count = Math.min(COMPARE_BLOCKS, blockCount - done);
      const first = firstBlock + done;
      if (this.#suspect.hasAny(first, count)) {
        await this.#compare(first, digests.subarray(done * DIGEST_BYTES, (done + count) * DIGEST_BYTES));
      }
    }
    if (this.#torn.size > 0) {
      for (let index = 0; index < blockCount; index += 1)
        if (this.#torn.has(firstBlock + index)) forget(digests, index);
    }
    return digests;
  }

  /** Everything written before is durable when it returns. */
  async sync(): Promise<void> {
    await this.#digests.flush();
    if (this.#imageDirty) {
      await this.#image.sync('replica.image');
      this.#imageDirty = false;
    }
    await this.#digests.sync('replica.digests');
  }

  async close(): Promise<void> {
    await this.#image.close();
    await this.#digests.close();
  }

  #known(firstBlock: number, blockCount: number): void {
    this.#torn.deleteRange(firstBlock, blockCount);
    this.#suspect.deleteRange(firstBlock, blockCount);
    this.#unknown.deleteRange(firstBlock, blockCount);
    this.#changed.addRange(firstBlock, blockCount);
  }

  async #compare(firstBlock: number, digests: Uint8Array): Promise<void> {
    const count = digests.length / DIGEST_BYTES;
    const data = new Uint8Array(rangeBytes(this.disk, firstBlock, count));
    await this.#image.read(firstBlock * BLOCK_SIZE_BYTES, data);
    const found = this.#digester.digestBlocks(data);
    for (let index = 0; index < count; index += 1) {
      const at = index * DIGEST_BYTES;
      const block = firstBlock + index;
      if (!this.#suspect.has(block)) continue;
      if (
        !isUnknown(digests, index) &&
        !equalDigests(digests.subarray(at, at + DIGEST_BYTES), found.subarray(at, at + DIGEST_BYTES))
      ) {
        forget(digests, index);
        await this.#digests.set(block, digests.subarray(at, at + DIGEST_BYTES));
        this.#unknown.addRange(block, 1);
      }
      this.#suspect.deleteRange(block, 1);
    }
  }

  async #scan(isClean: boolean): Promise<void> {
    const zero = this.#digester.zeroDigest(BLOCK_SIZE_BYTES);
    const blocks = blockCountOf(this.disk);
    for (let first = 0; first < blocks; first += SCAN_BLOCKS) {
      const count = Math.min(SCAN_BLOCKS, blocks - first);
      const digests = await this.#digests.get(first, count);
      for (let index = 0; index < count; index += 1) {
        const at = index * DIGEST_BYTES;
        if (isUnknown(digests, index)) this.#unknown.addRange(first + index, 1);
        else if (isClean && Buffer.compare(zero, digests.subarray(at, at + DIGEST_BYTES)) !== 0) {
          this.#data.addRange(first + index, 1);
        }
      }
    }
  }
}
