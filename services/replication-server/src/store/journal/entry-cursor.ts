/** Walks the entries of one disk in a segment, and those of two segments as one: the newer wins. */
import { DIGEST_BYTES } from '@lms/block-stream';
import type { SealedSegment } from './sealed-segment.ts';
import { ENTRY_BYTES } from './segment-format.ts';

/** 96 KiB at a time. */
const CHUNK_ENTRIES = 4096;

export interface Entry {
  readonly segment: SealedSegment;
  readonly block: number;
  /** 0: a zero block. */
  readonly unit: number;
  readonly digest: Uint8Array;
}

export class EntryCursor {
  #segment: SealedSegment;
  #slot: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #next = 0;

  constructor(segment: SealedSegment, slot: number) {
    this.#segment = segment;
    this.#slot = slot;
  }

  /** Block of the present entry; null at the end. Call `fill` before, whenever `needsFill`. */
  get block(): number | null {
    return this.#at < this.#chunk.length ? this.#chunk.readUInt32LE(this.#at) : null;
  }

  get needsFill(): boolean {
    return this.#at >= this.#chunk.length && this.#next < this.#segment.entryCount(this.#slot);
  }

  async fill(): Promise<void> {
    const end = Math.min(this.#next + CHUNK_ENTRIES, this.#segment.entryCount(this.#slot));
    this.#chunk = await this.#segment.entries(this.#slot, this.#next, end);
    this.#next = end;
    this.#at = 0;
  }

  take(): Entry {
    const at = this.#at;
    this.#at += ENTRY_BYTES;
    return {
      segment: this.#segment,
      block: this.#chunk.readUInt32LE(at),
      unit: this.#chunk.readUInt32LE(at + 4),
      digest: this.#chunk.subarray(at + 8, at + 8 + DIGEST_BYTES),
    };
  }

  skip(): void {
    this.#at += ENTRY_BYTES;
  }
}

/** Each block of the disk that one of the segments (oldest first) has, once, ascending, from the newest that has it. */
export async function* mergedEntries(segments: readonly SealedSegment[], slot: number): AsyncGenerator<Entry[]> {
  const cursors = segments.map((segment) => new EntryCursor(segment, slot));
  let batch: Entry[] = [];
  for (;;) {
    for (const cursor of cursors) if (cursor.needsFill) await cursor.fill();
    let lowest: number | null = null;
    let owner: EntryCursor | null = null;
    for (const cursor of cursors) {
      const { block } = cursor;
      if (block === null) continue;
      if (lowest === null || block <= lowest) {
        lowest = block;
        owner = cursor;
      }
    }
    if (owner === null) break;
    for (const cursor of cursors) if (cursor !== owner && cursor.block === lowest) cursor.skip();
    batch.push(owner.take());
    if (batch.length === CHUNK_ENTRIES) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Consecutive blocks whose contents stand one after another (or are all zero): one read, at most `maximumBlocks`. */
export function* runsOf(entries: readonly Entry[], sectorsPerBlock: number, maximumBlocks: number): Generator<Entry[]> {
  let run: Entry[] = [];
  for (const entry of entries) {
    const last = run.at(-1);
    const continues =
      last !== undefined &&
      run.length < maximumBlocks &&
      last.segment === entry.segment &&
      entry.block === last.block + 1 &&
      (entry.unit === 0 ? last.unit === 0 : last.unit !== 0 && entry.unit === last.unit + sectorsPerBlock);
    if (!continues && run.length > 0) {
      yield run;
      run = [];
    }
    run.push(entry);
  }
  if (run.length > 0) yield run;
}
