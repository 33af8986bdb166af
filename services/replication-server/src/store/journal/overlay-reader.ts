/** Reads a point of the journal form: the base, overlaid by the segments up to the point, the newest winning. */
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import type { FormReader } from '../form.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import type { ImageReader } from '../reflink/image-reader.ts';
import type { SealedSegment } from './sealed-segment.ts';
import { ENTRY_BYTES } from './segment-format.ts';
import { SECTORS_PER_BLOCK } from './segment-writer.ts';

/** 24 KiB: a sequential reader looks into the table of a segment once per 1,024 of its blocks. */
const WINDOW_ENTRIES = 1024;

interface Window {
  readonly first: number;
  readonly end: number;
  readonly entries: Buffer;
}

interface Place {
  /** Null: the base. */
  readonly segment: SealedSegment | null;
  readonly unit: number;
}

export class OverlayReader implements FormReader {
  #base: ImageReader;
  /** Newest first. */
  #segments: readonly SealedSegment[];
  #windows = new Map<SealedSegment, Map<number, Window>>();

  /** `segments`: newest first, in use by this reader. */
  constructor(base: ImageReader, segments: readonly SealedSegment[]) {
    this.#base = base;
    this.#segments = segments;
  }

  async read(disk: StoredDisk, offsetBytes: number, target: Uint8Array): Promise<void> {
    if (target.length === 0) return;
    const firstBlock = Math.floor(offsetBytes / BLOCK_SIZE_BYTES);
    const blockCount = Math.floor((offsetBytes + target.length - 1) / BLOCK_SIZE_BYTES) - firstBlock + 1;
    const places = Array.from({ length: blockCount }, (): Place => ({ segment: null, unit: 0 }));
    await this.#find(disk, firstBlock, blockCount, (index, segment, unit) => {
      places[index] = { segment, unit };
    });
    const end = offsetBytes + target.length;
    for (let index = 0; index < blockCount;) {
      const count = runLength(places, index);
      const start = Math.max(offsetBytes, (firstBlock + index) * BLOCK_SIZE_BYTES);
      const stop = Math.min(end, (firstBlock + index + count) * BLOCK_SIZE_BYTES);
      const part = target.subarray(start - offsetBytes, stop - offsetBytes);
      const { segment, unit } = places[index] ?? { segment: null, unit: 0 };
      if (segment === null) await this.#base.read(disk, start, part);
      else if (unit === 0) part.fill(0);
      else await segment.read(unit, start - (firstBlock + index) * BLOCK_SIZE_BYTES, part);
      index += count;
    }
  }

  async digests(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array> {
    const digests = await this.#base.digests(disk, firstBlock, blockCount);
    await this.#find(disk, firstBlock, blockCount, (index, _segment, _unit, digest) => {
      digests.set(digest, index * DIGEST_BYTES);
    });
    return digests;
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.release();
    await this.#base.close();
  }

  /** Tells, for each block that a segment has, the newest. */
  async #find(
    disk: StoredDisk,
    firstBlock: number,
    blockCount: number,
    found: (index: number, segment: SealedSegment, unit: number, digest: Uint8Array) => void,
  ): Promise<void> {
    const known = new Uint8Array(blockCount);
    let missing = blockCount;
    for (const segment of this.#segments) {
      if (missing === 0) return;
      const [first, end] = segment.span(disk.slot, firstBlock, blockCount);
      if (first === end) continue;
      const window = await this.#window(segment, disk.slot, first, end);
      for (let at = (first - window.first) * ENTRY_BYTES; at < (end - window.first) * ENTRY_BYTES; at += ENTRY_BYTES) {
        const index = window.entries.readUInt32LE(at) - firstBlock;
        if (index < 0) continue;
        if (index >= blockCount) break;
        if (known[index] === 1) continue;
        known[index] = 1;
        missing -= 1;
        found(index, segment, window.entries.readUInt32LE(at + 4), window.entries.subarray(at + 8, at + ENTRY_BYTES));
      }
    }
  }

  async #window(segment: SealedSegment, slot: number, first: number, end: number): Promise<Window> {
    let windows = this.#windows.get(segment);
    if (windows === undefined) this.#windows.set(segment, (windows = new Map<number, Window>()));
    const known = windows.get(slot);
    if (known !== undefined && known.first <= first && end <= known.end) return known;
    const wanted = Math.min(segment.entryCount(slot), Math.max(end, first + WINDOW_ENTRIES));
    const window = { first, end: wanted, entries: await segment.entries(slot, first, wanted) };
    windows.set(slot, window);
    return window;
  }
}

/** How many places from `start` on can be read at once. */
function runLength(places: readonly Place[], start: number): number {
  const first = places[start];
  let count = 1;
  for (; start + count < places.length; count += 1) {
    const next = places[start + count];
    if (next === undefined || first === undefined || next.segment !== first.segment) break;
    if (first.segment === null) continue;
    if (next.unit !== (first.unit === 0 ? 0 : first.unit + count * SECTORS_PER_BLOCK)) break;
  }
  return count;
}
