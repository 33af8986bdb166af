/**
 * Recovers the segments that no point contains yet (R14, R18): everything after the last valid mark is cut off, and the
 * segment is sealed, so that nothing is ever appended behind bytes of an earlier life.
 *
 * Which mark is valid? Marks are written one at a time, each fsynced before anything follows it. So whatever follows a mark
 * (a record, a footer) proves it. Only a mark with nothing behind it may stand in the file without the content
 * before it: that content is compared with its digests, back to the mark before.
 * Caches are dropped first: after a failed fsync they show what the medium does not have.
 */
import type { Digester } from '@lms/block-stream';
import { equalDigests } from '@lms/block-stream';
import type { MarkPosition } from '../record/mark-record.ts';
import { markRecordSchema } from '../record/mark-record.ts';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';
import { EntryLog, MAXIMUM_INDEXED_BLOCKS } from './entry-log.ts';
import type { RecordHeader } from './segment-format.ts';
import { SECTOR_BYTES, decodeRecordHeader, decodeSegmentHeader, recordHeaderBytes, roundUp } from './segment-format.ts';
import type { SegmentRange } from './segment-path.ts';
import { SEGMENT_FOLDER, segmentPath } from './segment-path.ts';
import { readFooter, readTable, writeTable } from './segment-table.ts';
import { SECTORS_PER_BLOCK } from './segment-writer.ts';

interface FoundRecord {
  readonly header: RecordHeader;
  readonly offset: number;
  readonly end: number;
}

interface Recovered {
  readonly file: StoreFile;
  readonly nonce: Uint8Array;
  readonly records: readonly FoundRecord[];
  readonly mark: FoundRecord;
}

/** Zero records write digests without reading anything: what `SegmentWriter.zero` computes. */
export type ZeroDigests = (slot: number, firstBlock: number, blockCount: number) => Uint8Array;

/** `pending`: ascending. Returns the last mark in them and how many of them are left; the rest are removed. */
export async function recoverPending(
  files: StoreFileSystem,
  pending: readonly SegmentRange[],
  digester: Digester,
  zeroDigests: ZeroDigests,
): Promise<{ readonly mark: MarkPosition | null; readonly kept: readonly SegmentRange[] }> {
  const kept = [...pending];
  const removed: SegmentRange[] = [];
  let recovered: Recovered | null = null;
  for (let range = kept.at(-1); range !== undefined; range = kept.at(-1)) {
    recovered = await findMark(files, range, digester);
    if (recovered !== null) break;
    removed.push(range);
    kept.pop();
  }
  try {
    for (const range of removed) await files.removeFile(segmentPath(range));
    // A removed one that came back would count as content before a later mark.
    if (removed.length > 0) await files.syncFolder(SEGMENT_FOLDER, 'segment.removal');
    if (recovered === null) return { mark: null, kept: [] };
    await cutAndSeal(recovered, zeroDigests);
    return { mark: markOf(recovered.mark.header), kept };
  } finally {
    await recovered?.file.close();
  }
}

async function findMark(files: StoreFileSystem, range: SegmentRange, digester: Digester): Promise<Recovered | null> {
  const file = await files.open(segmentPath(range));
  try {
    await file.dropCache();
    const sizeBytes = await file.size();
    const head = new Uint8Array(SECTOR_BYTES);
    await file.read(0, head);
    const header = decodeSegmentHeader(head);
    if (header !== null) {
      const footer = await readFooter(file, sizeBytes, header.nonce);
      const isSealed = footer !== null && (await readTable(file, footer, () => undefined));
      const end = footer !== null && isSealed ? footer.tableOffset : sizeBytes;
      const records = await scan(file, end, header.nonce);
      const mark = await lastValidMark(file, records, digester, isSealed);
      if (mark !== null) return { file, nonce: header.nonce, records, mark };
    }
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
  await file.close();
  return null;
}

async function scan(file: StoreFile, end: number, nonce: Uint8Array): Promise<FoundRecord[]> {
  const records: FoundRecord[] = [];
  const sector = new Uint8Array(SECTOR_BYTES);
  for (let offset = SECTOR_BYTES; offset + SECTOR_BYTES <= end;) {
    await file.read(offset, sector);
    const header = decodeRecordHeader(sector, offset, nonce);
    if (header === null) break;
    const recordEnd = offset + recordHeaderBytes(header.payload.length) + roundUp(header.dataBytes);
    if (recordEnd > end) break;
    records.push({ header, offset, end: recordEnd });
    offset = recordEnd;
  }
  return records;
}

async function lastValidMark(
  file: StoreFile,
  records: readonly FoundRecord[],
  digester: Digester,
  isSealed: boolean,
): Promise<FoundRecord | null> {
  const marks = records.flatMap((record, index) => (record.header.kind === 'mark' ? [index] : []));
  for (let which = marks.length - 1; which >= 0; which -= 1) {
    const index = marks[which] ?? 0;
    const record = records[index];
    if (record === undefined) break;
    const isProven = isSealed || index < records.length - 1;
    const spanStart = which === 0 ? 0 : (marks[which - 1] ?? 0) + 1;
    if (isProven || (await matchesDigests(file, records.slice(spanStart, index), digester))) return record;
  }
  return null;
}

async function matchesDigests(file: StoreFile, records: readonly FoundRecord[], digester: Digester): Promise<boolean> {
  for (const { header, offset } of records) {
    if (header.kind !== 'data') continue;
    const data = new Uint8Array(header.dataBytes);
    await file.read(offset + recordHeaderBytes(header.payload.length), data);
    if (!equalDigests(digester.digestBlocks(data), header.payload)) return false;
  }
  return true;
}

async function cutAndSeal({ file, nonce, records, mark }: Recovered, zeroDigests: ZeroDigests): Promise<void> {
  const entries = new EntryLog();
  for (const { header, offset } of records) {
    if (offset > mark.offset) break;
    const { slot, firstBlock, blockCount, payload } = header;
    if (entries.size + blockCount > MAXIMUM_INDEXED_BLOCKS)
      throw new RangeError('A segment has more blocks than its writer allows');
    if (header.kind === 'data') {
      const unit = (offset + recordHeaderBytes(payload.length)) / SECTOR_BYTES;
      entries.append(slot, firstBlock, blockCount, unit, SECTORS_PER_BLOCK, payload);
    } else if (header.kind === 'zero') {
      entries.append(slot, firstBlock, blockCount, 0, 0, zeroDigests(slot, firstBlock, blockCount));
    }
  }
  await file.truncate(mark.end);
  await writeTable(file, mark.end, nonce, mark.offset, entries.sorted());
  await file.sync('segment.recovery');
}

function markOf(header: RecordHeader): MarkPosition {
  return markRecordSchema.parse(JSON.parse(Buffer.from(header.payload).toString('utf8')));
}
