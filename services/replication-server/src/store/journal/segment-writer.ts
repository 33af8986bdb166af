/**
 * The segment that is being written. Nothing in it is promised before a mark or the seal has returned; a record that
 * could not be written in whole is overwritten by the next, or cut off at recovery.
 */
import type { Digester } from '@lms/block-stream';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import { randomBytes } from 'node:crypto';
import type { MarkPosition } from '../record/mark-record.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import { blockCountOf, rangeBytes } from '../replica/geometry.ts';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';
import { EntryLog, MAXIMUM_INDEXED_BLOCKS } from './entry-log.ts';
import {
  MAXIMUM_RECORD_BLOCKS,
  SECTOR_BYTES,
  encodeRecordHeader,
  encodeSegmentHeader,
  recordHeaderBytes,
  roundUp,
} from './segment-format.ts';
import { SEGMENT_FOLDER, segmentPath } from './segment-path.ts';
import { writeTable } from './segment-table.ts';

export const SECTORS_PER_BLOCK = BLOCK_SIZE_BYTES / SECTOR_BYTES;

export class SegmentWriter {
  readonly id: number;
  readonly path: string;
  #file: StoreFile;
  #nonce: Uint8Array;
  #digester: Digester;
  #entries = new EntryLog();
  #end = SECTOR_BYTES;
  #lastMarkOffset = 0;

  private constructor(id: number, file: StoreFile, nonce: Uint8Array, digester: Digester) {
    this.id = id;
    this.path = segmentPath({ firstId: id, lastId: id });
    this.#file = file;
    this.#nonce = nonce;
    this.#digester = digester;
  }

  static async create(files: StoreFileSystem, id: number, digester: Digester): Promise<SegmentWriter> {
    const nonce = randomBytes(16);
    const path = segmentPath({ firstId: id, lastId: id });
    const file = await files.create(path);
    try {
      await file.write(0, encodeSegmentHeader({ firstId: id, lastId: id, nonce }));
      // Marks are promised by a sync of the file alone; so its name must be durable before.
      await files.syncFolder(SEGMENT_FOLDER, 'segment.folder');
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    return new SegmentWriter(id, file, nonce, digester);
  }

  get hasData(): boolean {
    return this.#entries.size > 0;
  }

  /** Blocks that still fit its index. */
  get roomBlocks(): number {
    return MAXIMUM_INDEXED_BLOCKS - this.#entries.size;
  }

  /** At most `roomBlocks`. One call to the kernel, however many records. */
  async write(
    disk: StoredDisk,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void> {
    const parts: Uint8Array[] = [];
    const records: { readonly first: number; readonly count: number; readonly unit: number }[] = [];
    let end = this.#end;
    for (let done = 0; done < blockCount; done += MAXIMUM_RECORD_BLOCKS) {
      const count = Math.min(MAXIMUM_RECORD_BLOCKS, blockCount - done);
      const dataBytes = rangeBytes(disk, firstBlock + done, count);
      const payload = digests.subarray(done * DIGEST_BYTES, (done + count) * DIGEST_BYTES);
      const header = {
        kind: 'data',
        slot: disk.slot,
        firstBlock: firstBlock + done,
        blockCount: count,
        payload,
        dataBytes,
      } as const;
      const encoded = encodeRecordHeader(header, end, this.#nonce);
      records.push({ first: done, count, unit: (end + encoded.length) / SECTOR_BYTES });
      const start = done * BLOCK_SIZE_BYTES;
      parts.push(encoded, data.subarray(start, start + dataBytes));
      const padding = roundUp(dataBytes) - dataBytes;
      if (padding > 0) parts.push(new Uint8Array(padding));
      end += encoded.length + roundUp(dataBytes);
    }
    await this.#append(parts, end);
    for (const { first, count, unit } of records) {
      const part = digests.subarray(first * DIGEST_BYTES, (first + count) * DIGEST_BYTES);
      this.#entries.append(disk.slot, firstBlock + first, count, unit, SECTORS_PER_BLOCK, part);
    }
  }

  /** At most `roomBlocks`. */
  async zero(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<void> {
    const header = {
      kind: 'zero',
      slot: disk.slot,
      firstBlock,
      blockCount,
      payload: new Uint8Array(),
      dataBytes: 0,
    } as const;
    const encoded = encodeRecordHeader(header, this.#end, this.#nonce);
    await this.#append([encoded], this.#end + encoded.length);
    this.#entries.append(
      disk.slot,
      firstBlock,
      blockCount,
      0,
      0,
      zeroDigests(this.#digester, disk, firstBlock, blockCount),
    );
  }

  /** Everything before is durable when it returns (R18). */
  async mark({ revision, mapEpoch, markId }: MarkPosition): Promise<void> {
    const payload = Buffer.from(JSON.stringify({ schemaVersion: 1, revision, mapEpoch, markId }));
    if (recordHeaderBytes(payload.length) !== SECTOR_BYTES)
      throw new RangeError(`The map epoch ${mapEpoch} is too long`);
    const header = { kind: 'mark', slot: 0, firstBlock: 0, blockCount: 0, payload, dataBytes: 0 } as const;
    const at = this.#end;
    await this.#append([encodeRecordHeader(header, at, this.#nonce)], at + SECTOR_BYTES);
    this.#lastMarkOffset = at;
    await this.#file.sync('segment.mark');
  }

  /** Writes the table and makes the whole file durable. After a failure for want of space it may be called again. */
  async seal(): Promise<void> {
    await writeTable(this.#file, this.#end, this.#nonce, this.#lastMarkOffset, this.#entries.sorted());
    await this.#file.sync('segment.seal');
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #append(parts: readonly Uint8Array[], end: number): Promise<void> {
    try {
      await this.#file.write(this.#end, parts);
    } catch (thrown) {
      // Give back what a refused write took; the record itself is overwritten by the next.
      await this.#file.truncate(this.#end).catch(() => undefined);
      throw thrown;
    }
    this.#end = end;
  }
}

export function zeroDigests(digester: Digester, disk: StoredDisk, firstBlock: number, blockCount: number): Uint8Array {
  const digests = new Uint8Array(blockCount * DIGEST_BYTES);
  const whole = digester.zeroDigest(BLOCK_SIZE_BYTES);
  for (let at = 0; at < digests.length; at += DIGEST_BYTES) digests.set(whole, at);
  const last = blockCountOf(disk) - 1;
  if (firstBlock + blockCount - 1 === last) {
    digests.set(digester.zeroDigest(rangeBytes(disk, last, 1)), digests.length - DIGEST_BYTES);
  }
  return digests;
}
