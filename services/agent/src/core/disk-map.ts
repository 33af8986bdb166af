/**
 * What is known about each block of one disk, from the agent's side.
 *
 * Situation: writers change blocks while we copy them, connections break, servers crash. Mechanism: a block is in one
 * or more of these sets, and may be forgotten only when it is in none.
 *
 *     dirty          differs from the replica, as far as we know: read it and send it
 *     suspect        may differ (tracking was lost): compare by digest, send what differs
 *     unacknowledged was taken for reading; not yet known to be durable at the server (R18)
 *
 * R1: `take…` removes the block from dirty or suspect before anybody reads it, so that a write that comes later
 * marks it again. R18: the same step puts it into the set of the open mark; `sealMark` closes that set under a mark's
 * id, `acknowledgeMark` drops it, `restoreUnacknowledged` makes everything else dirty again.
 *
 * Failure: none here; whoever loses a session calls `restoreUnacknowledged`, whoever loses tracking `suspectAll`.
 */
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { BlockMap, type BlockRange } from './block-map.ts';

/** Blocks of the map that one saved page of 4 KiB holds. */
export const BLOCKS_PER_PAGE = 4096 * 8;
const WORDS_PER_PAGE = 1024;
const SECTORS_PER_BLOCK = BLOCK_SIZE_BYTES / 512;

interface SealedMark {
  readonly markId: number;
  readonly blocks: BlockMap;
}

export class DiskMap {
  readonly sizeBytes: number;
  readonly blockCount: number;
  readonly dirty: BlockMap;
  readonly suspect: BlockMap;
  /** Pages of the saved form that changed since they were saved. */
  readonly changedPages: BlockMap;
  #dirtiedBlocks = 0;
  #open: BlockMap;
  #sealed: SealedMark[] = [];

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.blockCount = Math.ceil(sizeBytes / BLOCK_SIZE_BYTES);
    this.dirty = new BlockMap(this.blockCount);
    this.suspect = new BlockMap(this.blockCount);
    this.#open = new BlockMap(this.blockCount);
    this.changedPages = new BlockMap(Math.ceil(this.blockCount / BLOCKS_PER_PAGE));
  }

  /** Blocks that writes made dirty since the start, each counted again only after it was taken: what had, or has, to be sent. */
  get dirtiedBlocks(): number {
    return this.#dirtiedBlocks;
  }

  /** Blocks taken and not known durable; a block taken twice may count twice. */
  get unacknowledgedCount(): number {
    return this.#sealed.reduce((sum, mark) => sum + mark.blocks.count, this.#open.count);
  }

  get sealedMarks(): number {
    return this.#sealed.length;
  }

  /** True when something was taken since the last mark was sealed. */
  get hasUnsealed(): boolean {
    return this.#open.count > 0;
  }

  /** Marks every block that a range of sectors touches; what lies beyond the disk is cut off. */
  markSectors(sector: number, sectorCount: number): void {
    const firstBlock = Math.floor(sector / SECTORS_PER_BLOCK);
    const lastBlock = Math.min(Math.floor((sector + sectorCount - 1) / SECTORS_PER_BLOCK), this.blockCount - 1);
    if (lastBlock >= firstBlock) this.markDirty(firstBlock, lastBlock - firstBlock + 1);
  }

  markDirty(firstBlock: number, blockCount: number): void {
    const before = this.dirty.count;
    this.dirty.add(firstBlock, blockCount);
    this.#dirtiedBlocks += this.dirty.count - before;
    this.#touch(firstBlock, blockCount);
  }

  /** Everything must be sent: the replica holds nothing. */
  dirtyAll(): void {
    this.dirty.addAll();
    this.suspect.clear();
    this.changedPages.addAll();
  }

  /** Nothing is known any more: everything must be compared. */
  suspectAll(): void {
    this.suspect.addAll();
    this.changedPages.addAll();
  }

  /** Takes the next dirty run at or after `from`. */
  takeDirty(from: number, maximumBlocks: number): BlockRange | null {
    const range = this.dirty.nextRange(from, maximumBlocks);
    if (range !== null) this.#take(range);
    return range;
  }

  /** Takes the next suspect run at or after `from` that ends before `end`; blocks that are dirty too come along. */
  takeSuspect(from: number, maximumBlocks: number, end: number): BlockRange | null {
    const range = this.suspect.nextRange(from, Math.max(1, Math.min(maximumBlocks, end - from)));
    if (range === null || range.firstBlock >= end) return null;
    const cut = { firstBlock: range.firstBlock, blockCount: Math.min(range.blockCount, end - range.firstBlock) };
    this.#take(cut);
    return cut;
  }

  /** Closes the set of what was taken so far; the frames of all of it must precede the mark on the stream. */
  sealMark(markId: number): void {
    this.#sealed.push({ markId, blocks: this.#open });
    this.#open = new BlockMap(this.blockCount);
  }

  /** Everything up to this mark is durable at the server. */
  acknowledgeMark(markId: number): void {
    for (const mark of this.#sealed) if (mark.markId <= markId) this.#touchMap(mark.blocks);
    this.#sealed = this.#sealed.filter((mark) => mark.markId > markId);
  }

  /** The session is over: whatever was not acknowledged is dirty again (R18). */
  restoreUnacknowledged(): void {
    for (const blocks of [this.#open, ...this.#sealed.map((mark) => mark.blocks)]) {
      this.dirty.addMap(blocks);
      this.#touchMap(blocks);
    }
    this.#sealed = [];
    this.#open = new BlockMap(this.blockCount);
  }

  /** One page of the saved form: dirty and unacknowledged blocks together. */
  unsafePage(page: number): Uint8Array {
    const start = page * WORDS_PER_PAGE;
    const union = this.dirty.words.slice(start, start + WORDS_PER_PAGE);
    for (const blocks of [this.#open, ...this.#sealed.map((mark) => mark.blocks)]) {
      for (let index = 0; index < union.length; index++) {
        union[index] = (union[index] as number) | (blocks.words[start + index] as number);
      }
    }
    return new Uint8Array(union.buffer);
  }

  suspectPage(page: number): Uint8Array {
    const start = page * WORDS_PER_PAGE;
    return new Uint8Array(this.suspect.words.slice(start, start + WORDS_PER_PAGE).buffer);
  }

  #take(range: BlockRange): void {
    this.dirty.remove(range.firstBlock, range.blockCount);
    this.suspect.remove(range.firstBlock, range.blockCount);
    this.#open.add(range.firstBlock, range.blockCount);
    this.#touch(range.firstBlock, range.blockCount);
  }

  #touch(firstBlock: number, blockCount: number): void {
    const firstPage = Math.floor(firstBlock / BLOCKS_PER_PAGE);
    const lastPage = Math.floor((firstBlock + blockCount - 1) / BLOCKS_PER_PAGE);
    this.changedPages.add(firstPage, lastPage - firstPage + 1);
  }

  #touchMap(blocks: BlockMap): void {
    for (let page = 0; page < this.changedPages.blockCount; page++) {
      if (blocks.nextRange(page * BLOCKS_PER_PAGE, 1) !== null) this.changedPages.add(page, 1);
    }
  }
}
