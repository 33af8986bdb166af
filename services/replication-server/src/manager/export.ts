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
  const chunks = new DiskChunks(reader, disk, digestKey);
  // One chunk ahead: the disk works while the network takes the one before.
  let ahead: Promise<Uint8Array> | null = chunks.read(0);
  try {
    for (let index = 0; ahead !== null; index += 1) {
      const chunk: Uint8Array = await ahead;
      ahead = index + 1 < chunks.count ? chunks.read(index + 1) : null;
      // Its failure is seen when its turn comes; until then it must not count as unhandled.
      ahead?.catch(() => undefined);
      hash.update(chunk);
      yield chunk;
    }
  } finally {
    // Given up in the middle: the reader is closed behind us, so nothing may still use it.
    await ahead?.catch(() => undefined);
  }
}

class DiskChunks {
  readonly count: number;
  readonly #reader: PointReader;
  readonly #disk: StagingDisk;
  readonly #blocks: number;
  readonly #zeros = new Uint8Array(CHUNK_BYTES);
  readonly #zeroDigests: Uint8Array;
  #digests: Uint8Array = new Uint8Array(0);

  constructor(reader: PointReader, disk: StagingDisk, digestKey: Uint8Array) {
    this.#reader = reader;
    this.#disk = disk;
    this.#blocks = countBlocks(disk.sizeBytes);
    this.count = Math.ceil(this.#blocks / BLOCKS_PER_CHUNK);
    const zeroDigest = createDigester(digestKey).zeroDigest(BLOCK_SIZE_BYTES);
    this.#zeroDigests = Buffer.concat(Array.from({ length: BLOCKS_PER_CHUNK }, () => zeroDigest));
  }

  /** In order, one at a time. */
  async read(index: number): Promise<Uint8Array> {
    const block = index * BLOCKS_PER_CHUNK;
    const { diskIndex, sizeBytes } = this.#disk;
    if (block % BLOCKS_PER_DIGEST_BATCH === 0) {
      const blockCount = Math.min(BLOCKS_PER_DIGEST_BATCH, this.#blocks - block);
      this.#digests = await this.#reader.digests(diskIndex, block, blockCount);
    }
    const start = (block % BLOCKS_PER_DIGEST_BATCH) * DIGEST_BYTES;
    const offsetBytes = block * BLOCK_SIZE_BYTES;
    const lengthBytes = Math.min(CHUNK_BYTES, sizeBytes - offsetBytes);
    const digests = this.#digests.subarray(start, start + this.#zeroDigests.byteLength);
    if (lengthBytes === CHUNK_BYTES && equalDigests(digests, this.#zeroDigests)) return this.#zeros;
    // A buffer of its own each time: the stream behind us may still hold the one before.
    const chunk = Buffer.allocUnsafeSlow(lengthBytes);
    await this.#reader.read(diskIndex, offsetBytes, chunk);
    return chunk;
  }
}
