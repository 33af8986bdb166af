/**
 * A disk of a point in time as a stream of raw bytes, with its SHA-256. Blocks whose stored digest is that of zeros are not
 * read: an image is mostly holes.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES, countBlocks, createDigester, equalDigests } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import type { PointReader, StagingDisk } from '../store/staging-store.ts';

const BLOCKS_PER_CHUNK = 16;
const CHUNK_BYTES = BLOCKS_PER_CHUNK * BLOCK_SIZE_BYTES;
/** Digests that are fetched at once: 64 MiB of disk, 16 KiB. */
const BLOCKS_PER_DIGEST_BATCH = 1_024;

export interface DiskExport {
  readonly sizeBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Hex; once the body has ended. */
  sha256(): string;
}

export function exportDisk(reader: PointReader, diskId: string, digestKey: Uint8Array): DiskExport {
  const disk = reader.point.disks.find((candidate) => candidate.diskId === diskId);
  if (disk === undefined) {
    throw new LmsError('NOT_FOUND', `Point ${reader.point.sequence} has no disk ${diskId}`, { field: 'diskId' });
  }
  const hash = createHash('sha256');
  return {
    sizeBytes: disk.sizeBytes,
    body: readDisk(reader, disk, digestKey, hash),
    sha256: () => hash.digest('hex'),
  };
}

async function* readDisk(
  reader: PointReader,
  disk: StagingDisk,
  digestKey: Uint8Array,
  hash: Hash,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zeroDigest = createDigester(digestKey).zeroDigest(BLOCK_SIZE_BYTES);
  const zeroDigests = Buffer.concat(Array.from({ length: BLOCKS_PER_CHUNK }, () => zeroDigest));
  const zeros = new Uint8Array(CHUNK_BYTES);
  const blocks = countBlocks(disk.sizeBytes);
  let digests: Uint8Array = zeros.subarray(0, 0);
  for (let block = 0; block < blocks; block += BLOCKS_PER_CHUNK) {
    if (block % BLOCKS_PER_DIGEST_BATCH === 0) {
      digests = await reader.digests(disk.diskIndex, block, Math.min(BLOCKS_PER_DIGEST_BATCH, blocks - block));
    }
    const start = (block % BLOCKS_PER_DIGEST_BATCH) * DIGEST_BYTES;
    const offsetBytes = block * BLOCK_SIZE_BYTES;
    const lengthBytes = Math.min(CHUNK_BYTES, disk.sizeBytes - offsetBytes);
    const isHole =
      lengthBytes === CHUNK_BYTES && equalDigests(digests.subarray(start, start + zeroDigests.byteLength), zeroDigests);
    // A buffer of its own each time: the stream behind us may still hold the one before.
    const chunk = isHole ? zeros : Buffer.allocUnsafeSlow(lengthBytes);
    if (!isHole) await reader.read(disk.diskIndex, offsetBytes, chunk);
    hash.update(chunk);
    yield chunk;
  }
}
