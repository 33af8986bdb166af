/**
 * Makes one segment of neighbours between which no point lies any more: a block that several of them have is kept once.
 * Two passes over the tables, since where content will stand follows from their order alone: first the content, then
 * the table; memory does not grow with the segments.
 */
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { StoredDisk } from '../record/machine-record.ts';
import { rangeBytes } from '../replica/geometry.ts';
import type { StoreFile, StoreFileSystem } from '../store-file-system.ts';
import { mergedEntries, runsOf } from './entry-cursor.ts';
import { SealedSegment } from './sealed-segment.ts';
import { ENTRY_BYTES, SECTOR_BYTES, encodeFooter, encodeSegmentHeader, roundUp } from './segment-format.ts';
import { SEGMENT_FOLDER, segmentPath } from './segment-path.ts';
import { encodeSections } from './segment-table.ts';
import { SECTORS_PER_BLOCK } from './segment-writer.ts';

const RUN_BLOCKS = 16;

/** `segments`: neighbours, oldest first. The result is durable, and stands beside them until they are removed. */
export async function compact(
  files: StoreFileSystem,
  segments: readonly SealedSegment[],
  diskOf: (slot: number) => StoredDisk | null,
  signal: AbortSignal,
): Promise<SealedSegment> {
  const range = { firstId: segments[0]?.firstId ?? 0, lastId: segments.at(-1)?.lastId ?? 0 };
  const path = segmentPath(range);
  const temporary = `${path}.tmp`;
  const file = await files.create(temporary);
  try {
    const nonce = randomBytes(16);
    await file.write(0, encodeSegmentHeader({ ...range, nonce }));
    const slots = [...new Set(segments.flatMap((segment) => segment.slots))].sort((first, second) => first - second);
    const disks = slots.flatMap((slot) => diskOf(slot) ?? []);
    const layout = await copyContent(file, segments, disks, signal);
    await writeMergedTable(file, segments, disks, layout, nonce, signal);
    await file.sync('compaction.file');
  } catch (thrown) {
    await file.close();
    await files.removeFile(temporary).catch(() => undefined);
    throw thrown;
  }
  await file.close();
  await files.rename(temporary, path);
  await files.syncFolder(SEGMENT_FOLDER, 'compaction.folder');
  return SealedSegment.open(files, range);
}

interface Layout {
  readonly end: number;
  readonly counts: ReadonlyMap<number, number>;
}

async function copyContent(
  file: StoreFile,
  segments: readonly SealedSegment[],
  disks: readonly StoredDisk[],
  signal: AbortSignal,
): Promise<Layout> {
  const buffer = new Uint8Array(RUN_BLOCKS * BLOCK_SIZE_BYTES);
  const counts = new Map<number, number>();
  let end = SECTOR_BYTES;
  for (const disk of disks) {
    let count = 0;
    for await (const batch of mergedEntries(segments, disk.slot)) {
      count += batch.length;
      for (const run of runsOf(batch, SECTORS_PER_BLOCK, RUN_BLOCKS)) {
        signal.throwIfAborted();
        const first = run[0];
        if (first === undefined || first.unit === 0) continue;
        const bytes = rangeBytes(disk, first.block, run.length);
        const padded = buffer.subarray(0, roundUp(bytes));
        padded.fill(0, bytes);
        await first.segment.read(first.unit, 0, padded.subarray(0, bytes));
        await file.write(end, padded);
        end += padded.length;
      }
    }
    counts.set(disk.slot, count);
  }
  return { end, counts };
}

async function writeMergedTable(
  file: StoreFile,
  segments: readonly SealedSegment[],
  disks: readonly StoredDisk[],
  { end, counts }: Layout,
  nonce: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const directory = encodeSections(disks.map(({ slot }) => ({ slot, count: counts.get(slot) ?? 0 })));
  let tableChecksum = crc32(directory);
  let position = end;
  await file.write(position, directory);
  position += directory.length;
  let content = SECTOR_BYTES;
  for (const disk of disks) {
    for await (const batch of mergedEntries(segments, disk.slot)) {
      signal.throwIfAborted();
      const entries = Buffer.alloc(batch.length * ENTRY_BYTES);
      for (const [index, { block, unit, digest }] of batch.entries()) {
        const at = index * ENTRY_BYTES;
        entries.writeUInt32LE(block, at);
        if (unit !== 0) {
          entries.writeUInt32LE(content / SECTOR_BYTES, at + 4);
          content += roundUp(rangeBytes(disk, block, 1));
        }
        entries.set(digest, at + 8);
      }
      tableChecksum = crc32(entries, tableChecksum);
      await file.write(position, entries);
      position += entries.length;
    }
  }
  const tableBytes = position - end;
  const footer = encodeFooter({ tableOffset: end, tableBytes, tableChecksum, lastMarkOffset: 0 }, nonce);
  await file.write(position, [Buffer.alloc(roundUp(tableBytes) - tableBytes), footer]);
}
