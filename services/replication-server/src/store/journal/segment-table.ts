/**
 * The table at a segment's end: for each disk its entries, sorted by block. With the footer it makes a segment sealed.
 *
 *   sections (u32) | reserved (u32) | per section: slot (u32), entries (u32) | entries of the first section | …
 */
import { LmsError } from '@lms/errors';
import { crc32 } from 'node:zlib';
import type { StoreFile } from '../store-file-system.ts';
import type { SlotEntries } from './entry-log.ts';
import type { Footer } from './segment-format.ts';
import { ENTRY_BYTES, SECTOR_BYTES, decodeFooter, encodeFooter, roundUp } from './segment-format.ts';

export interface TableSection {
  readonly slot: number;
  /** Where its entries start in the file. */
  readonly offset: number;
  readonly count: number;
}

export function encodeSections(sections: readonly { readonly slot: number; readonly count: number }[]): Buffer {
  const directory = Buffer.alloc(8 + sections.length * 8);
  directory.writeUInt32LE(sections.length, 0);
  for (const [index, { slot, count }] of sections.entries()) {
    directory.writeUInt32LE(slot, 8 + index * 8);
    directory.writeUInt32LE(count, 12 + index * 8);
  }
  return directory;
}

export async function writeTable(
  file: StoreFile,
  offset: number,
  nonce: Uint8Array,
  lastMarkOffset: number,
  slots: readonly SlotEntries[],
): Promise<void> {
  const sections = slots.map(({ slot, entries }) => ({ slot, count: entries.length / ENTRY_BYTES }));
  const parts = [encodeSections(sections), ...slots.map(({ entries }) => entries)];
  const tableBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const tableChecksum = parts.reduce((sum, part) => crc32(part, sum), 0);
  const footer = encodeFooter({ tableOffset: offset, tableBytes, tableChecksum, lastMarkOffset }, nonce);
  await file.write(offset, [...parts, Buffer.alloc(roundUp(tableBytes) - tableBytes), footer]);
  // What a failed attempt left beyond must not hide the footer, which is found from the end.
  await file.truncate(offset + roundUp(tableBytes) + SECTOR_BYTES);
}

/** Null when the segment is not sealed. */
export async function readFooter(file: StoreFile, sizeBytes: number, nonce: Uint8Array): Promise<Footer | null> {
  if (sizeBytes < 2 * SECTOR_BYTES || sizeBytes % SECTOR_BYTES !== 0) return null;
  const sector = new Uint8Array(SECTOR_BYTES);
  await file.read(sizeBytes - SECTOR_BYTES, sector);
  const footer = decodeFooter(sector, nonce);
  if (footer === null || footer.tableOffset + roundUp(footer.tableBytes) + SECTOR_BYTES !== sizeBytes) return null;
  return footer;
}

/** Entries of one section, `first` counted from its first entry. */
export type EntryVisitor = (section: TableSection, first: number, entries: Buffer) => void | Promise<void>;

const READ_ENTRIES = 43_690; // 1 MiB

/** Reads the whole table once; false when it is not what was written. The visitor sees entries before that is known. */
export async function readTable(file: StoreFile, footer: Footer, visit: EntryVisitor): Promise<boolean> {
  const sections = await readSections(file, footer);
  if (sections === null) return false;
  let checksum = crc32(encodeSections(sections));
  for (const section of sections) {
    for (let first = 0; first < section.count; first += READ_ENTRIES) {
      const count = Math.min(READ_ENTRIES, section.count - first);
      const entries = Buffer.alloc(count * ENTRY_BYTES);
      await file.read(section.offset + first * ENTRY_BYTES, entries);
      checksum = crc32(entries, checksum);
      await visit(section, first, entries);
    }
  }
  return checksum === footer.tableChecksum;
}

async function readSections(file: StoreFile, footer: Footer): Promise<TableSection[] | null> {
  const head = Buffer.alloc(8);
  await file.read(footer.tableOffset, head);
  const sectionCount = head.readUInt32LE(0);
  if (8 + sectionCount * 8 > footer.tableBytes) return null;
  const directory = Buffer.alloc(sectionCount * 8);
  await file.read(footer.tableOffset + 8, directory);
  let offset = footer.tableOffset + 8 + directory.length;
  const sections: TableSection[] = [];
  for (let index = 0; index < sectionCount; index += 1) {
    const count = directory.readUInt32LE(index * 8 + 4);
    sections.push({ slot: directory.readUInt32LE(index * 8), offset, count });
    offset += count * ENTRY_BYTES;
  }
  return offset === footer.tableOffset + footer.tableBytes ? sections : null;
}

export function damagedSegment(path: string): LmsError {
  return new LmsError('DATA_LOSS', `The journal segment ${path} is not what was written`, {
    action: 'Check the staging disk; remove the machine’s staging folder to replicate it anew',
  });
}
