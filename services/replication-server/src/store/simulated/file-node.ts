/**
 * A file as the page cache has it, and as the medium has it.
 *
 * A page is dirty from a write until it is written back: by `sync`, or at any time before by the kernel's own will
 * (`writeBackSome`), so versions that were overwritten later can be what survives. At a power cut each dirty page is
 * kept, dropped, or torn sector by sector. After a failed sync pages are *phantoms*: clean in the cache, never written.
 */
import type { Page, PageLedger } from './page-ledger.ts';
import { PAGE_BYTES } from './page-ledger.ts';

const SECTOR_BYTES = 512;
const ZERO_PAGE: Page = new Uint8Array(PAGE_BYTES);

export type Random = () => number;

/** What happens to the pages that were not written back: mostly a mixture, sometimes all or none. */
export interface Fate {
  /** Probability that a dirty page survives, of 1. */
  readonly keep: number;
  /** Probability that a dirty page is a mixture of old and new sectors, of 1. */
  readonly tear: number;
}

export class FileNode {
  readonly kind = 'file';
  #ledger: PageLedger;
  #cached = new Map<number, Page>();
  #durable = new Map<number, Page>();
  #dirty = new Set<number>();
  #phantoms = new Set<number>();
  #size = 0;
  #durableSize = 0;
  /** Handles and folder entries that hold it; its pages count as used until both are gone. */
  #released = false;

  constructor(ledger: PageLedger) {
    this.#ledger = ledger;
  }

  get size(): number {
    return this.#size;
  }

  get usedBytes(): number {
    return this.#cached.size * PAGE_BYTES;
  }

  read(offsetBytes: number, target: Uint8Array): void {
    let position = 0;
    while (position < target.length) {
      const at = offsetBytes + position;
      const within = at % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, target.length - position);
      const page = this.#cached.get((at - within) / PAGE_BYTES);
      if (page === undefined) target.fill(0, position, position + length);
      else target.set(within === 0 && length === PAGE_BYTES ? page : page.subarray(within, within + length), position);
      position += length;
    }
  }

  /** Pages that a write of this range would newly occupy. */
  newPages(offsetBytes: number, lengthBytes: number): number {
    let count = 0;
    const end = Math.ceil((offsetBytes + lengthBytes) / PAGE_BYTES);
    for (let index = Math.floor(offsetBytes / PAGE_BYTES); index < end; index += 1) {
      const page = this.#cached.get(index);
      if (page === undefined || this.#ledger.isShared(page)) count += 1;
    }
    return count;
  }

  write(offsetBytes: number, data: Uint8Array): void {
    // One copy for the whole write; its pages are views on it. (`slice` of a Buffer would be no copy.)
    const copy = new Uint8Array(data);
    let position = 0;
    while (position < copy.length) {
      const at = offsetBytes + position;
      const within = at % PAGE_BYTES;
      const index = (at - within) / PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, copy.length - position);
      if (length === PAGE_BYTES) {
        this.#put(index, copy.subarray(position, position + PAGE_BYTES));
      } else {
        const page = new Uint8Array(this.#cached.get(index) ?? ZERO_PAGE);
        page.set(copy.subarray(position, position + length), within);
        this.#put(index, page);
      }
      position += length;
    }
    this.#size = Math.max(this.#size, offsetBytes + copy.length);
  }

  punch(offsetBytes: number, lengthBytes: number): void {
    const end = Math.min(offsetBytes + lengthBytes, this.#size);
    for (let at = offsetBytes; at < end;) {
      const within = at % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, end - at);
      this.#clear((at - within) / PAGE_BYTES, within, within + length);
      at += length;
    }
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.#size) {
      const within = sizeBytes % PAGE_BYTES;
      const last = (sizeBytes - within) / PAGE_BYTES;
      if (within !== 0) this.#clear(last, within, PAGE_BYTES);
      const firstGone = within === 0 ? last : last + 1;
      for (const index of [...this.#cached.keys()]) if (index >= firstGone) this.#put(index, null);
    }
    this.#size = sizeBytes;
  }

  sync(): void {
    for (const index of this.#dirty) this.#writeBack(index);
    this.#dirty.clear();
    this.#durableSize = this.#size;
  }

  /** fsync that fails: the kernel reports it once, and calls the pages clean. */
  failSync(): void {
    for (const index of this.#dirty) this.#phantoms.add(index);
    this.#dirty.clear();
  }

  writeBackSome(random: Random): void {
    for (const index of [...this.#dirty]) {
      if (random() < 0.5) continue;
      this.#writeBack(index);
      this.#dirty.delete(index);
    }
    if (random() < 0.5) this.#durableSize = this.#size;
  }

  dropCache(): void {
    for (const index of this.#phantoms) this.#setCached(index, this.#durable.get(index) ?? null);
    this.#phantoms.clear();
  }

  cloneFrom(source: FileNode): void {
    for (const index of [...this.#cached.keys()]) this.#put(index, null);
    for (const [index, page] of source.#cached) this.#put(index, page);
    this.#size = source.#size;
  }

  powerCut(random: Random, fate: Fate): void {
    const growth = this.#size - this.#durableSize;
    const chance = random();
    let size = this.#durableSize;
    if (chance < fate.keep * fate.keep) size = this.#size;
    else if (chance < fate.keep) size += Math.floor(growth * random());
    for (const index of [...this.#dirty].sort((first, second) => first - second)) {
      if (random() < fate.tear) this.#durable.set(index, this.#tear(index, random));
      else if (random() < fate.keep) this.#writeBack(index);
    }
    this.#dirty.clear();
    this.#phantoms.clear();
    this.#durableSize = size;
    for (const [index, page] of [...this.#durable]) {
      const end = (index + 1) * PAGE_BYTES;
      if (end - PAGE_BYTES >= size) this.#durable.delete(index);
      else if (end > size) {
        const shorter = new Uint8Array(page);
        shorter.fill(0, size - (end - PAGE_BYTES));
        this.#durable.set(index, shorter);
      }
    }
    // The ledger is rebuilt by the file system, from what it still reaches.
    this.#cached = new Map(this.#durable);
    this.#size = size;
    this.#released = false;
  }

  hold(): void {
    for (const page of this.#cached.values()) this.#ledger.add(page);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const page of this.#cached.values()) this.#ledger.remove(page);
  }

  #tear(index: number, random: Random): Page {
    const page = new Uint8Array(this.#durable.get(index) ?? ZERO_PAGE);
    const later = this.#cached.get(index) ?? ZERO_PAGE;
    for (let start = 0; start < PAGE_BYTES; start += SECTOR_BYTES) {
      if (random() < 0.5) page.set(later.subarray(start, start + SECTOR_BYTES), start);
    }
    return page;
  }

  #writeBack(index: number): void {
    const page = this.#cached.get(index);
    if (page === undefined) this.#durable.delete(index);
    else this.#durable.set(index, page);
  }

  #clear(index: number, start: number, end: number): void {
    const page = this.#cached.get(index);
    if (page === undefined) {
      // The medium may hold content that a truncate cut off in the cache only: the hole must be written back too.
      if (this.#durable.has(index)) this.#dirty.add(index);
      return;
    }
    if (start === 0 && end === PAGE_BYTES) {
      this.#put(index, null);
      return;
    }
    const cleared = new Uint8Array(page);
    cleared.fill(0, start, end);
    this.#put(index, cleared);
  }

  #put(index: number, page: Page | null): void {
    this.#setCached(index, page);
    this.#phantoms.delete(index);
    this.#dirty.add(index);
  }

  #setCached(index: number, page: Page | null): void {
    const before = this.#cached.get(index);
    if (before !== undefined && !this.#released) this.#ledger.remove(before);
    if (page === null) {
      this.#cached.delete(index);
      return;
    }
    this.#cached.set(index, page);
    if (!this.#released) this.#ledger.add(page);
  }
}
