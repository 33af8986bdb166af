/**
 * Checks of frames against the disks of the session (R8): what the codec cannot know. Blocks are counted, never bytes
 * added up, so nothing overflows: 2^32 blocks is the most that a frame can name.
 */
import { BLOCK_SIZE_BYTES } from './frames.ts';
import type { DigestRequestFrame, WriteFrame, ZeroFrame } from './frames.ts';
import { FRAME_TABLE } from './wire-format.ts';
import { protocolViolation } from './violation.ts';

export interface DiskGeometry {
  readonly sizeBytes: number;
}

export function countBlocks(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_SIZE_BYTES);
}

/** Bytes of `blockCount` blocks from `firstBlock` on: a whole number of blocks, less where the disk's last one is short. */
export function rangeLengthBytes(disk: DiskGeometry, firstBlock: number, blockCount: number): number {
  const start = firstBlock * BLOCK_SIZE_BYTES;
  return Math.min(start + blockCount * BLOCK_SIZE_BYTES, disk.sizeBytes) - start;
}

/** The disk that the frame means; PROTOCOL_VIOLATION when there is none, or the range is not within it. */
export function checkRange<Disk extends DiskGeometry>(
  frame: WriteFrame | ZeroFrame | DigestRequestFrame,
  disks: ReadonlyMap<number, Disk>,
): Disk {
  const name = FRAME_TABLE[frame.type].name;
  const disk = disks.get(frame.diskIndex);
  if (disk === undefined) throw protocolViolation(name, 'diskIndex', `this session has no disk ${frame.diskIndex}`);
  const blocks = countBlocks(disk.sizeBytes);
  if (frame.firstBlock >= blocks) {
    throw protocolViolation(name, 'firstBlock', `${frame.firstBlock}, the disk has ${blocks} blocks`);
  }
  if (frame.blockCount < 1 || frame.blockCount > blocks - frame.firstBlock) {
    throw protocolViolation(
      name,
      'blockCount',
      `${frame.blockCount} blocks from block ${frame.firstBlock} on, the disk has ${blocks}`,
    );
  }
  return disk;
}

/** `checkRange`, and that the announced raw length is that of the range. */
export function checkWrite<Disk extends DiskGeometry>(frame: WriteFrame, disks: ReadonlyMap<number, Disk>): Disk {
  const disk = checkRange(frame, disks);
  const expected = rangeLengthBytes(disk, frame.firstBlock, frame.blockCount);
  if (frame.rawLengthBytes !== expected) {
    throw protocolViolation('WRITE', 'rawLengthBytes', `${frame.rawLengthBytes}, the range has ${expected} bytes`);
  }
  return disk;
}
