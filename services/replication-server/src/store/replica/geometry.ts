/** Blocks of a disk: 64 KiB each, the last may be short (R15). */
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { LmsError } from '@lms/errors';

export interface Sized {
  readonly diskId: string;
  readonly sizeBytes: number;
}

export function blockCountOf(disk: Sized): number {
  return Math.ceil(disk.sizeBytes / BLOCK_SIZE_BYTES);
}

/** Bytes of `blockCount` blocks from `firstBlock`: less than whole blocks only at the disk's end. */
export function rangeBytes(disk: Sized, firstBlock: number, blockCount: number): number {
  return Math.min(disk.sizeBytes, (firstBlock + blockCount) * BLOCK_SIZE_BYTES) - firstBlock * BLOCK_SIZE_BYTES;
}

/** The codec has checked ranges before (R8); the store trusts nobody with its files. */
export function requireRange(disk: Sized, firstBlock: number, blockCount: number): void {
  const valid =
    Number.isSafeInteger(firstBlock) &&
    Number.isSafeInteger(blockCount) &&
    firstBlock >= 0 &&
    blockCount >= 1 &&
    firstBlock + blockCount <= blockCountOf(disk);
  if (!valid) {
    throw new LmsError(
      'INVALID_ARGUMENT',
      `Blocks ${firstBlock} to ${firstBlock + blockCount - 1} do not lie within disk ${disk.diskId}`,
    );
  }
}
