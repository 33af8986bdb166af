/**
 * Decodes pages of the kernel's trace ring.
 *
 * Situation: at 100,000 writes a second this sees 200,000 events a second. Mechanism: one pass over the page, numbers
 * only, no object is made for an event. A page is a header (time, commit) and entries; an entry is a word (5 bits of
 * type or length, 27 of time) and its data.
 * Special cases:
 *  - the flush machinery ends requests a second time: the last completion of a flush or of a FUA write is a write of 0
 *    sectors, its letters stripped. Its data, if any, was reported before with its length: it is handed on as a flush.
 *  - a pure flush has the sector 2^64 - 1.
 * Failure: a LOST mark, an event that is not ours, a record too short or a sector beyond 2^53 goes to `lost` (R4);
 * the rest of the page is still decoded where its structure holds.
 */
import { classifyOperation, type Operation } from '../../core/operation.ts';
import type { EventKind, TraceVisitor } from '../../core/ports.ts';
import type { BlockEventLayout, RingLayout } from './ring-layout.ts';

/** Flags in the commit word (linux/ring_buffer.c): events were lost before this page; how many stands behind the data. */
const MISSED_EVENTS = 1 << 31;
const MISSED_STORED = 1 << 30;
const COMMIT_LENGTH_MASK = 0x3fff_ffff;

const TYPE_PADDING = 29;
const TYPE_TIME_EXTEND = 30;
const TYPE_TIME_STAMP = 31;

const W = 0x57;
const S = 0x53;
const HIGH_WORD = 2 ** 32;
/** Sectors above 2^53 are not exact in a number; no disk has them. */
const HIGH_WORD_LIMIT = 1 << 21;

export class PageDecoder {
  readonly #layout: RingLayout;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Decodes what lies in `page` at the time of each call. */
  constructor(layout: RingLayout, page: Uint8Array) {
    this.#layout = layout;
    this.#bytes = page;
    this.#view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  }

  /** Hands the first `lengthBytes` bytes of the page to the visitor. Returns how many records there were. */
  decode(lengthBytes: number, visitor: TraceVisitor): number {
    const { page } = this.#layout;
    if (lengthBytes < page.dataOffset) {
      visitor.lost(`a trace page of ${lengthBytes} bytes`);
      return 0;
    }
    const view = this.#view;
    const commit = view.getUint32(page.commitOffset, true);
    const end = page.dataOffset + (commit & COMMIT_LENGTH_MASK);
    if ((commit & MISSED_EVENTS) !== 0) visitor.lost(this.#describeMissed(commit, end, lengthBytes));
    if (end > lengthBytes) {
      visitor.lost(`a trace page that claims ${end} of ${lengthBytes} bytes`);
      return 0;
    }
    let position = page.dataOffset;
    let records = 0;
    while (position + 4 <= end) {
      const header = view.getUint32(position, true);
      const type = header & 31;
      let dataStart = position + 4;
      let next: number;
      if (type !== 0 && type < TYPE_PADDING) {
        next = dataStart + type * 4;
      } else if (type === TYPE_TIME_EXTEND || type === TYPE_TIME_STAMP) {
        position += 8;
        continue;
      } else {
        if (type === TYPE_PADDING && header >>> 5 === 0) break; // the rest of the page is empty
        if (dataStart + 4 > end) return this.#broken(visitor, position, records);
        next = dataStart + view.getUint32(dataStart, true);
        if (next < dataStart + 4) return this.#broken(visitor, position, records);
        if (type === TYPE_PADDING) {
          position = next;
          continue;
        }
        dataStart += 4;
      }
      if (next > end || next - dataStart < 2) return this.#broken(visitor, position, records);
      records++;
      this.#record(dataStart, next, visitor);
      position = next;
    }
    return records;
  }

  #record(start: number, end: number, visitor: TraceVisitor): void {
    const layout = this.#layout;
    const id = this.#view.getUint16(start, true);
    if (id === layout.complete.id) this.#blockEvent('complete', layout.complete, start, end, visitor);
    else if (id === layout.issue.id) this.#blockEvent('issue', layout.issue, start, end, visitor);
    else if (id === layout.queue.id) this.#blockEvent('queue', layout.queue, start, end, visitor);
    else if (id === layout.marker.id && end - start >= layout.marker.minimumBytes) {
      visitor.marker(this.#view.getUint32(start + layout.marker.markerOffset, true));
    } else visitor.lost(`an event that is not ours (ID ${id}, ${end - start} bytes)`);
  }

  #blockEvent(kind: EventKind, layout: BlockEventLayout, start: number, end: number, visitor: TraceVisitor): void {
    if (end - start < layout.minimumBytes) {
      visitor.lost(`a ${kind} event of only ${end - start} bytes`);
      return;
    }
    const view = this.#view;
    const sectorCount = view.getUint32(start + layout.sectorCountOffset, true);
    let operation = this.#operation(start + layout.lettersOffset, layout.lettersSize);
    if (sectorCount === 0 && kind === 'complete' && (operation === 'write' || operation === 'flushWrite')) {
      operation = 'flush';
    }
    let sector = view.getUint32(start + layout.sectorOffset, true);
    const high = view.getUint32(start + layout.sectorOffset + 4, true);
    if (high >= HIGH_WORD_LIMIT) {
      if (operation !== 'flush') {
        visitor.lost(`a ${kind} event without a sector`);
        return;
      }
      sector = 0;
    } else if (high !== 0) sector += high * HIGH_WORD;
    visitor.block(kind, view.getUint32(start + layout.deviceOffset, true), sector, sectorCount, operation);
  }

  #operation(start: number, size: number): Operation {
    const bytes = this.#bytes;
    if (bytes[start] === W) {
      const second = bytes[start + 1];
      if (second === 0 || (second === S && bytes[start + 2] === 0)) return 'write';
    }
    return classifyOperation(bytes, start, start + size);
  }

  #describeMissed(commit: number, end: number, lengthBytes: number): string {
    if ((commit & MISSED_STORED) === 0 || end + 8 > lengthBytes) return 'the kernel dropped events';
    return `the kernel dropped ${this.#view.getBigUint64(end, true)} events`;
  }

  #broken(visitor: TraceVisitor, position: number, records: number): number {
    visitor.lost(`a trace page that is broken at byte ${position}`);
    return records;
  }
}
