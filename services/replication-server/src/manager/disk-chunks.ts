/** Reads a range of a point's disk in order, a chunk ahead, each block proven by its stored digest. */
import { BLOCK_SIZE_BYTES, DIGEST_BYTES, countBlocks, createDigester, equalDigests } from '@lms/block-stream';
import type { Digester } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import type { PointReader, StagingDisk } from '../store/staging-store.ts';

const BLOCKS_PER_CHUNK = 16;
const CHUNK_BYTES = BLOCKS_PER_CHUNK * BLOCK_SIZE_BYTES;
/** Digests that are fetched at once: 64 MiB of disk, 16 KiB. */
const BLOCKS_PER_DIGEST_BATCH = 1_024;

export class DiskChunks {
  readonly #reader: PointReader;
  readonly #disk: StagingDisk;
  readonly #blocks: number;
  readonly #digester: Digester;
  readonly #zeros = new Uint8Array(CHUNK_BYTES);
  readonly #zeroDigests: Uint8Array;
  #digests: { readonly firstBlock: number; readonly bytes: Uint8Array } = { firstBlock: 0, bytes: new Uint8Array(0) };

  constructor(reader: PointReader, disk: StagingDisk, digestKey: Uint8Array) {
    this.#reader = reader;
    this.#disk = disk;
    this.#blocks = countBlocks(disk.sizeBytes);
    this.#digester = createDigester(digestKey);
    const zeroDigest = this.#digester.zeroDigest(BLOCK_SIZE_BYTES);
    this.#zeroDigests = Buffer.concat(Array.from({ length: BLOCKS_PER_CHUNK }, () => zeroDigest));
  }

  /** One reading at a time. */
  async *read(startBytes: number, endBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    const first = Math.floor(startBytes / CHUNK_BYTES);
    const end = Math.ceil(endBytes / CHUNK_BYTES);
    // One chunk ahead: the disk works while the network takes the one before.
    let ahead: Promise<Uint8Array> | null = startBytes < endBytes ? this.#readChunk(first) : null;
    try {
      for (let index = first; ahead !== null; index += 1) {
        const chunk: Uint8Array = await ahead;
        ahead = index + 1 < end ? this.#readChunk(index + 1) : null;
        // Its failure is seen when its turn comes; until then it must not count as unhandled.
        ahead?.catch(() => undefined);
        const offsetBytes = index * CHUNK_BYTES;
        yield chunk.subarray(Math.max(0, startBytes - offsetBytes), Math.min(chunk.byteLength, endBytes - offsetBytes));
      }
    } finally {
      // Given up in the middle: the reader is closed behind us, so nothing may still use it.
      await ahead?.catch(() => undefined);
    }
  }

  async #readChunk(index: number): Promise<Uint8Array> {
    const block = index * BLOCKS_PER_CHUNK;
    const { diskIndex, sizeBytes } = this.#disk;
    const offsetBytes = block * BLOCK_SIZE_BYTES;
    const lengthBytes = Math.min(CHUNK_BYTES, sizeBytes - offsetBytes);
    const digests = await this.#digestsOf(block);
    if (lengthBytes === CHUNK_BYTES && equalDigests(digests, this.#zeroDigests)) return this.#zeros;
    // A buffer of its own each time: the stream behind us may still hold the one before.
    const chunk = Buffer.allocUnsafeSlow(lengthBytes);
    await this.#reader.read(diskIndex, offsetBytes, chunk);
    this.#prove(chunk, digests, offsetBytes);
    return chunk;
  }

  async #digestsOf(block: number): Promise<Uint8Array> {
    const held = (): number => (block - this.#digests.firstBlock) * DIGEST_BYTES;
    if (held() < 0 || held() >= this.#digests.bytes.byteLength) {
      const count = Math.min(BLOCKS_PER_DIGEST_BATCH, this.#blocks - block);
      this.#digests = { firstBlock: block, bytes: await this.#reader.digests(this.#disk.diskIndex, block, count) };
    }
    return this.#digests.bytes.subarray(held(), held() + this.#zeroDigests.byteLength);
  }

  #prove(chunk: Uint8Array, stored: Uint8Array, offsetBytes: number): void {
    const found = this.#digester.digestBlocks(chunk);
    if (equalDigests(found, stored)) return;
    const blocks = found.byteLength / DIGEST_BYTES;
    const at = (bytes: Uint8Array, block: number): Uint8Array =>
      bytes.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES);
    const bad = Array.from({ length: blocks }, (_, block) => block).find(
      (block) => !equalDigests(at(found, block), at(stored, block)),
    );
    const where = offsetBytes + (bad ?? 0) * BLOCK_SIZE_BYTES;
    throw new LmsError('DATA_LOSS', `Disk ${this.#disk.diskId} does not match its digest at offset ${where}`, {
      action: 'Verify the point, and export another one.',
    });
  }
}
