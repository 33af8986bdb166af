/**
 * Writes the oldest segment into the base image. Every point that is kept overlays that segment over the base, so nobody
 * sees a half-written base; doing it again gives the same; and the segment goes only after the base is durable.
 */
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import type { StoredDisk } from '../record/machine-record.ts';
import { DigestTable } from '../replica/digest-table.ts';
import { digestsPath, imagePath } from '../replica/disk-replica.ts';
import { rangeBytes } from '../replica/geometry.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import type { Entry } from './entry-cursor.ts';
import { mergedEntries, runsOf } from './entry-cursor.ts';
import type { SealedSegment } from './sealed-segment.ts';
import { SECTORS_PER_BLOCK } from './segment-writer.ts';

export const BASE_FOLDER = 'base';
/** 1 MiB of content per read and write. */
const RUN_BLOCKS = 16;

/** `diskOf`: null for a disk that no point and no machine has any more. */
export async function mergeIntoBase(
  files: StoreFileSystem,
  segment: SealedSegment,
  diskOf: (slot: number) => StoredDisk | null,
  signal: AbortSignal,
): Promise<void> {
  for (const slot of segment.slots) {
    const disk = diskOf(slot);
    if (disk !== null) await mergeDisk(files, segment, disk, signal);
  }
}

async function mergeDisk(
  files: StoreFileSystem,
  segment: SealedSegment,
  disk: StoredDisk,
  signal: AbortSignal,
): Promise<void> {
  const image = await files.open(imagePath(BASE_FOLDER, disk.slot));
  const digests = new DigestTable(await files.open(digestsPath(BASE_FOLDER, disk.slot)), true);
  const buffer = new Uint8Array(RUN_BLOCKS * BLOCK_SIZE_BYTES);
  try {
    for await (const batch of mergedEntries([segment], disk.slot)) {
      for (const run of runsOf(batch, SECTORS_PER_BLOCK, RUN_BLOCKS)) {
        signal.throwIfAborted();
        const first = run[0];
        if (first === undefined) continue;
        const offset = first.block * BLOCK_SIZE_BYTES;
        const bytes = rangeBytes(disk, first.block, run.length);
        if (first.unit === 0) {
          await image.punch(offset, bytes);
        } else {
          const data = buffer.subarray(0, bytes);
          await segment.read(first.unit, 0, data);
          await image.write(offset, data);
        }
        // The digest travels with the block (R15): bytes that rotted meanwhile are still found out.
        await digests.set(first.block, joinDigests(run));
      }
    }
    await image.sync('merge.image');
    await digests.sync('merge.digests');
  } finally {
    await image.close();
    await digests.close();
  }
}

function joinDigests(run: readonly Entry[]): Uint8Array {
  const digests = new Uint8Array(run.length * DIGEST_BYTES);
  for (const [index, { digest }] of run.entries()) digests.set(digest, index * DIGEST_BYTES);
  return digests;
}
