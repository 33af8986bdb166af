/** A segment that is complete: found block by block through its table, of which memory keeps every 128th block number. */
import { LmsError } from '@lms/errors';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';
import { ENTRY_BYTES, SECTOR_BYTES, decodeSegmentHeader } from './segment-format.ts';
import type { SegmentRange } from './segment-path.ts';
import { segmentPath } from './segment-path.ts';
import type { EntryVisitor, TableSection } from './segment-table.ts';
import { damagedSegment, readFooter, readTable } from './segment-table.ts';

const FENCE_ENTRIES = 128;

export interface Section extends TableSection {
  readonly fences: Uint32Array;
}

export class SealedSegment implements SegmentRange {
  readonly firstId: number;
  readonly lastId: number;
  readonly path: string;
  readonly sizeBytes: number;
  #file: StoreFile;
  #sections: ReadonlyMap<number, Section>;
  #readers = 0;
  #retired = false;

  private constructor(range: SegmentRange, file: StoreFile, sizeBytes: number, sections: ReadonlyMap<number, Section>) {
    this.firstId = range.firstId;
    this.lastId = range.lastId;
    this.path = segmentPath(range);
    this.sizeBytes = sizeBytes;
    this.#file = file;
    this.#sections = sections;
  }

  /** DATA_LOSS when it is not sealed or its table is damaged. */
  static async open(files: StoreFileSystem, range: SegmentRange, visit?: EntryVisitor): Promise<SealedSegment> {
    const path = segmentPath(range);
    const file = await files.open(path);
    try {
      const sizeBytes = await file.size();
      const head = new Uint8Array(SECTOR_BYTES);
      await file.read(0, head);
      const header = decodeSegmentHeader(head);
      const footer = header === null ? null : await readFooter(file, sizeBytes, header.nonce);
      if (header === null || footer === null) throw damagedSegment(path);
      if (header.firstId !== range.firstId || header.lastId !== range.lastId) throw damagedSegment(path);
      const sections = new Map<number, Section>();
      const isWhole = await readTable(file, footer, (section, first, entries) => {
        addFences(sections, section, first, entries);
        return visit?.(section, first, entries);
      });
      if (!isWhole) throw damagedSegment(path);
      return new SealedSegment(range, file, sizeBytes, sections);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  get slots(): readonly number[] {
    return [...this.#sections.keys()];
  }

  entryCount(slot: number): number {
    return this.#sections.get(slot)?.count ?? 0;
  }

  /** Range of entries, [first, end), that holds all blocks of the range, and some around it. */
  span(slot: number, firstBlock: number, blockCount: number): readonly [first: number, end: number] {
    const section = this.#sections.get(slot);
    if (section === undefined) return [0, 0];
    const first = Math.max(0, lowerBound(section.fences, firstBlock + 1) - 1) * FENCE_ENTRIES;
    const end = Math.min(section.count, lowerBound(section.fences, firstBlock + blockCount) * FENCE_ENTRIES);
    return [first, Math.max(first, end)];
  }

  async entries(slot: number, first: number, end: number): Promise<Buffer> {
    const section = this.#sections.get(slot);
    const bytes = Buffer.alloc((end - first) * ENTRY_BYTES);
    if (section !== undefined && bytes.length > 0) await this.#file.read(section.offset + first * ENTRY_BYTES, bytes);
    return bytes;
  }

  /** Content, at a place that an entry names. */
  read(unit: number, withinBytes: number, target: Uint8Array): Promise<void> {
    return this.#file.read(unit * SECTOR_BYTES + withinBytes, target);
  }

  get isInUse(): boolean {
    return this.#readers > 0;
  }

  use(): void {
    if (this.#retired) throw new LmsError('INTERNAL', `The segment ${this.path} is gone`);
    this.#readers += 1;
  }

  async release(): Promise<void> {
    this.#readers -= 1;
    if (this.#retired && this.#readers === 0) await this.#file.close();
  }

  /** Its file is removed or the store closes; readers that still have it end first. */
  async retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#readers === 0) await this.#file.close();
  }
}

function addFences(sections: Map<number, Section>, section: TableSection, first: number, entries: Buffer): void {
  let known = sections.get(section.slot);
  if (known === undefined) {
    known = { ...section, fences: new Uint32Array(Math.ceil(section.count / FENCE_ENTRIES)) };
    sections.set(section.slot, known);
  }
  const count = entries.length / ENTRY_BYTES;
  for (let index = (FENCE_ENTRIES - (first % FENCE_ENTRIES)) % FENCE_ENTRIES; index < count; index += FENCE_ENTRIES) {
    known.fences[(first + index) / FENCE_ENTRIES] = entries.readUInt32LE(index * ENTRY_BYTES);
  }
}

/** Index of the first fence that is not below the block. */
function lowerBound(fences: Uint32Array, block: number): number {
  let low = 0;
  let high = fences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((fences[middle] ?? 0) < block) low = middle + 1;
    else high = middle;
  }
  return low;
}
