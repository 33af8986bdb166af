/**
 * A file with 16 bytes for each block of a disk: its digest, or zeros where none is known.
 *
 * Digests of consecutive blocks are gathered in memory and written together, so a straight-through copy writes its digests
 * once per 64 MiB; others go out with the next call. Nothing here is durable before `sync`.
 */
import { DIGEST_BYTES } from '@lms/block-stream';
import type { StoreFile } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';

/** 1,024 digests: 64 MiB of disk. What a kill loses of it is compared and sent again. */
const RUN_BYTES = 16 * 1024;
/** Fill in pieces of 1 MiB (4 GiB of disk), so that zeroing a whole disk needs no buffer of its size. */
const FILL_BYTES = 1024 * 1024;

export class DigestTable {
  #file: StoreFile;
  #run = new Uint8Array(RUN_BYTES);
  #runStart = 0;
  #runLength = 0;
  #dirty: boolean;

  /** `dirty`: whether the page cache may hold what an earlier process wrote and nobody synced. */
  constructor(file: StoreFile, dirty: boolean) {
    this.#file = file;
    this.#dirty = dirty;
  }

  /** Makes room for `set` of digests at this place. May fail for want of space: then nothing has changed. */
  async prepare(firstBlock: number, blockCount: number): Promise<void> {
    const isNext = firstBlock * DIGEST_BYTES === this.#runStart + this.#runLength;
    if (this.#runLength > 0 && (!isNext || this.#runLength + blockCount * DIGEST_BYTES > RUN_BYTES)) await this.flush();
  }

  async set(firstBlock: number, digests: Uint8Array): Promise<void> {
    await this.prepare(firstBlock, digests.length / DIGEST_BYTES);
    this.#dirty = true;
    if (digests.length > RUN_BYTES) {
      await this.#file.write(firstBlock * DIGEST_BYTES, digests);
      return;
    }
    if (this.#runLength === 0) this.#runStart = firstBlock * DIGEST_BYTES;
    this.#run.set(digests, this.#runLength);
    this.#runLength += digests.length;
  }

  async fill(firstBlock: number, blockCount: number, digest: Uint8Array): Promise<void> {
    const perPiece = FILL_BYTES / DIGEST_BYTES;
    const piece = new Uint8Array(Math.min(blockCount, perPiece) * DIGEST_BYTES);
    for (let at = 0; at < piece.length; at += DIGEST_BYTES) piece.set(digest, at);
    for (let done = 0; done < blockCount; done += perPiece) {
      const count = Math.min(perPiece, blockCount - done);
      await this.set(firstBlock + done, piece.subarray(0, count * DIGEST_BYTES));
    }
  }

  async get(firstBlock: number, blockCount: number): Promise<Uint8Array> {
    await this.flush();
    const digests = new Uint8Array(blockCount * DIGEST_BYTES);
    await this.#file.read(firstBlock * DIGEST_BYTES, digests);
    return digests;
  }

  async flush(): Promise<void> {
    if (this.#runLength === 0) return;
    await this.#file.write(this.#runStart, this.#run.subarray(0, this.#runLength));
    this.#runLength = 0;
  }

  async sync(step: SyncStep): Promise<void> {
    await this.flush();
    if (!this.#dirty) return;
    await this.#file.sync(step);
    this.#dirty = false;
  }

  dropCache(): Promise<void> {
    return this.#file.dropCache();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const ZERO_DIGEST = new Uint8Array(DIGEST_BYTES);

/** Whether entry `index` of some digests says "none known". */
export function isUnknown(digests: Uint8Array, index: number): boolean {
  for (let at = index * DIGEST_BYTES; at < (index + 1) * DIGEST_BYTES; at += 1) if (digests[at] !== 0) return false;
  return true;
}

export function forget(digests: Uint8Array, index: number): void {
  digests.set(ZERO_DIGEST, index * DIGEST_BYTES);
}
