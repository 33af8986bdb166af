/**
 * Compares every block of a point with its stored digest and computes what is shown to people: the SHA-256 of each whole
 * raw disk (R15). Reads 1 MiB at a time and gives way to others in between.
 */
import type { Digester } from '@lms/block-stream';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES, equalDigests } from '@lms/block-stream';
import { createHash } from 'node:crypto';
import { blockCountOf, rangeBytes } from '../replica/geometry.ts';
import type { PointReader, VerifyMismatch, VerifyReport } from '../staging-store.ts';

const READ_BLOCKS = 16;
/** Reported ranges; enough to see a pattern, and bounded. The count goes on. */
const MAXIMUM_MISMATCHES = 1000;

export async function verifyPoint(reader: PointReader, digester: Digester, signal: AbortSignal): Promise<VerifyReport> {
  const buffer = new Uint8Array(READ_BLOCKS * BLOCK_SIZE_BYTES);
  const mismatches: VerifyMismatch[] = [];
  const sha256: Record<string, string> = {};
  let blocksChecked = 0;
  let mismatchedBlocks = 0;
  for (const disk of reader.point.disks) {
    const hash = createHash('sha256');
    const blocks = blockCountOf(disk);
    for (let first = 0; first < blocks; first += READ_BLOCKS) {
      signal.throwIfAborted();
      const count = Math.min(READ_BLOCKS, blocks - first);
      const data = buffer.subarray(0, rangeBytes(disk, first, count));
      await reader.read(disk.diskIndex, first * BLOCK_SIZE_BYTES, data);
      const stored = await reader.digests(disk.diskIndex, first, count);
      const found = digester.digestBlocks(data);
      hash.update(data);
      blocksChecked += count;
      for (let index = 0; index < count; index += 1) {
        const at = index * DIGEST_BYTES;
        if (equalDigests(stored.subarray(at, at + DIGEST_BYTES), found.subarray(at, at + DIGEST_BYTES))) continue;
        mismatchedBlocks += 1;
        if (mismatches.length < MAXIMUM_MISMATCHES)
          addMismatch(mismatches, disk.diskId, first + index, rangeBytes(disk, first + index, 1));
      }
    }
    sha256[disk.diskId] = hash.digest('hex');
  }
  return { sequence: reader.point.sequence, blocksChecked, mismatches, mismatchedBlocks, sha256 };
}

function addMismatch(mismatches: VerifyMismatch[], diskId: string, block: number, lengthBytes: number): void {
  const offsetBytes = block * BLOCK_SIZE_BYTES;
  const last = mismatches.at(-1);
  if (last !== undefined && last.diskId === diskId && last.offsetBytes + last.lengthBytes === offsetBytes) {
    mismatches[mismatches.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
    return;
  }
  mismatches.push({ diskId, offsetBytes, lengthBytes });
}
