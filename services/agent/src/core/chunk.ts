/**
 * A chunk: consecutive blocks of one disk that were read, on their way to the stream. Here bytes become frames: digests
 * of what was read (R9), zeros as ranges, blocks that the replica has already left out, the rest compressed or raw.
 */
import {
  BLOCK_SIZE_BYTES,
  compressChunk,
  DIGEST_BYTES,
  equalDigests,
  isZero,
  MAXIMUM_BLOCKS_PER_WRITE,
  type CompressionChoice,
  type Digester,
  type WriteFrame,
  type ZeroFrame,
} from '@lms/block-stream';

export interface Chunk {
  readonly diskIndex: number;
  readonly firstBlock: number;
  readonly blockCount: number;
  /** The blocks as read; the disk's last block may be short. Valid until the chunk is released. */
  readonly data: Uint8Array;
  /** What the replica holds, 16 bytes a block, when the chunk is only suspect: equal blocks are not sent. */
  readonly replicaDigests: Uint8Array | null;
}

export interface ChunkCounters {
  chunksRaw: number;
  chunksCompressed: number;
  blocksZero: number;
  blocksEqual: number;
  bytesRaw: number;
  bytesSentWire: number;
}

export type ChunkFrame = WriteFrame | ZeroFrame;

type BlockFate = 'equal' | 'zero' | 'write';

export async function framesOfChunk(
  chunk: Chunk,
  digester: Digester,
  compression: CompressionChoice,
  counters: ChunkCounters,
): Promise<ChunkFrame[]> {
  const digests = chunk.replicaDigests === null && isZero(chunk.data) ? null : digester.digestBlocks(chunk.data);
  const frames: ChunkFrame[] = [];
  for (let block = 0; block < chunk.blockCount;) {
    const fate = fateOf(chunk, digests, block);
    let end = block + 1;
    while (end < chunk.blockCount && fateOf(chunk, digests, end) === fate) end++;
    const firstBlock = chunk.firstBlock + block;
    if (fate === 'equal') counters.blocksEqual += end - block;
    else if (fate === 'zero') {
      counters.blocksZero += end - block;
      frames.push({ type: 'zero', diskIndex: chunk.diskIndex, firstBlock, blockCount: end - block });
    } else {
      for (let start = block; start < end; start += MAXIMUM_BLOCKS_PER_WRITE) {
        const stop = Math.min(end, start + MAXIMUM_BLOCKS_PER_WRITE);
        frames.push(await writeFrame(chunk, digests as Uint8Array, start, stop, compression, counters));
      }
    }
    block = end;
  }
  return frames;
}

function fateOf(chunk: Chunk, digests: Uint8Array | null, block: number): BlockFate {
  if (digests === null) return 'zero';
  const start = block * DIGEST_BYTES;
  const replica = chunk.replicaDigests?.subarray(start, start + DIGEST_BYTES);
  if (replica !== undefined && equalDigests(replica, digests.subarray(start, start + DIGEST_BYTES))) return 'equal';
  return isZero(blocksOf(chunk, block, block + 1)) ? 'zero' : 'write';
}

function blocksOf(chunk: Chunk, start: number, end: number): Uint8Array {
  return chunk.data.subarray(start * BLOCK_SIZE_BYTES, end * BLOCK_SIZE_BYTES);
}

async function writeFrame(
  chunk: Chunk,
  digests: Uint8Array,
  start: number,
  end: number,
  compression: CompressionChoice,
  counters: ChunkCounters,
): Promise<WriteFrame> {
  const raw = blocksOf(chunk, start, end);
  const compressed = compression.shouldCompress() ? await compressChunk(raw) : null;
  const payload = compressed ?? raw;
  if (compressed === null) counters.chunksRaw++;
  else counters.chunksCompressed++;
  counters.bytesRaw += raw.byteLength;
  counters.bytesSentWire += payload.byteLength;
  return {
    type: 'write',
    diskIndex: chunk.diskIndex,
    firstBlock: chunk.firstBlock + start,
    blockCount: end - start,
    codec: compressed === null ? 'raw' : 'zstd',
    rawLengthBytes: raw.byteLength,
    digests: digests.subarray(start * DIGEST_BYTES, end * DIGEST_BYTES),
    payload,
  };
}
