/**
 * zstd per chunk (a WRITE's data, at most 1 MiB), off the JavaScript thread.
 *
 * Level 1: level -1 silently means 3 in Node. `chunkSize` covers the whole output and the size is pledged, else Node
 * compresses in 16 KiB steps and loses a third of its speed. Decompression may produce exactly the announced length (R8),
 * and its window is capped, so that a bomb costs one buffer of the announced size and an error.
 */
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';
import { protocolViolation } from './violation.ts';
import { MAXIMUM_RAW_BYTES_PER_WRITE } from './wire-format.ts';

const COMPRESSION_LEVEL = 1;
/** Fast and weak: enough to tell data that has redundancy from data that has none. */
const PROBE_LEVEL = -5;
const PROBE_BYTES = 16_384;
/** A probe that stays above this share of its input means "incompressible": the real run would gain next to nothing. */
const PROBE_HOPELESS_RATIO = 0.97;
/** Compression that saves less than a 16th is not worth the other end's decompression. */
const WORTHWHILE_RATIO = 15 / 16;
/** 1 MiB, the longest raw chunk: no honest frame needs a larger window. */
const MAXIMUM_WINDOW_LOG = 20;
/** zstd's worst case is input + input/256 + 64. */
const COMPRESSED_BOUND_BYTES = MAXIMUM_RAW_BYTES_PER_WRITE + MAXIMUM_RAW_BYTES_PER_WRITE / 256 + 64;

/** False when a 16 KiB sample from the middle does not shrink: such data goes raw without the cost of trying. */
export function looksCompressible(data: Uint8Array): boolean {
  const start = Math.max(0, Math.floor(data.byteLength / 2) - PROBE_BYTES / 2);
  const sample = data.subarray(start, start + PROBE_BYTES);
  const compressed = zstdCompressSync(sample, {
    chunkSize: PROBE_BYTES * 2,
    pledgedSrcSize: sample.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: PROBE_LEVEL },
  });
  return compressed.byteLength < sample.byteLength * PROBE_HOPELESS_RATIO;
}

/** The compressed bytes; null when they would not be worth it (send the chunk raw). */
export async function compressChunk(data: Uint8Array): Promise<Uint8Array | null> {
  if (!looksCompressible(data)) return null;
  const compressed = await new Promise<Buffer>((resolve, reject) => {
    const options = {
      chunkSize: COMPRESSED_BOUND_BYTES,
      pledgedSrcSize: data.byteLength,
      params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
    };
    zstdCompress(data, options, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
  return compressed.byteLength < data.byteLength * WORTHWHILE_RATIO ? compressed : null;
}

/** Exactly `rawLengthBytes` bytes, or PROTOCOL_VIOLATION. */
export async function decompressChunk(payload: Uint8Array, rawLengthBytes: number): Promise<Uint8Array> {
  const raw = await new Promise<Buffer>((resolve, reject) => {
    const options = {
      chunkSize: Math.max(rawLengthBytes, constants.Z_MIN_CHUNK),
      maxOutputLength: rawLengthBytes,
      rejectGarbageAfterEnd: true,
      params: { [constants.ZSTD_d_windowLogMax]: MAXIMUM_WINDOW_LOG },
    };
    zstdDecompress(payload, options, (error, result) => {
      if (error === null) resolve(result);
      else
        reject(
          protocolViolation('WRITE', 'payload', `does not decompress to ${rawLengthBytes} bytes: ${error.message}`),
        );
    });
  });
  if (raw.byteLength !== rawLengthBytes) {
    throw protocolViolation('WRITE', 'payload', `decompresses to ${raw.byteLength} bytes, announced ${rawLengthBytes}`);
  }
  return raw;
}

export type CompressionMode = 'adaptive' | 'on' | 'off';

/**
 * Decides per chunk whether compressing pays: compress while the network is what everybody waits for, send raw while the
 * processor is. The signal is how fast the wire takes bytes while it is kept busy: a burst that ends in the kernel's
 * socket buffers says nothing about the network, and small changes on a slow one must stay compressed.
 */
export interface CompressionChoice {
  shouldCompress(): boolean;
  /**
   * To be told after each send of a chunk: when its bytes began to leave (not when they began to wait for others), when
   * the kernel had the last one, and how many there were. Milliseconds of one monotonic clock.
   */
  sent(beganMilliseconds: number, endedMilliseconds: number, wireBytes: number): void;
  setMode(mode: CompressionMode): void;
}

/**
 * zstd at level 1 makes about 400 MiB/s of raw data on one core: a network that takes raw chunks faster than this gains
 * nothing from it. (About 3 Gbit/s on two cores: docs/adr.)
 */
const RAW_PREFERRED_FROM_BYTES_PER_SECOND = 400 * 1024 * 1024;
/** What the socket buffers of both ends hold at most (Linux's tcp_wmem and tcp_rmem: 4 and 6 MiB, some systems more). */
const BUFFERED_BYTES = 16 * 1024 * 1024;
/** A wire that had nothing to do for so long has emptied those buffers. */
const IDLE_MILLISECONDS = 100;
/** The running rate forgets: bytes that weigh as much as all that was before. */
const RATE_MEMORY_BYTES = 16 * 1024 * 1024;

export function createCompressionChoice(initialMode: CompressionMode): CompressionChoice {
  let mode = initialMode;
  /** Starts low: until the wire has shown what it takes, compressing is the safer guess. */
  let wireBytesPerSecond = 0;
  let busyBytes = 0;
  let lastEndedMilliseconds = -Infinity;
  return {
    shouldCompress: () =>
      mode === 'on' || (mode === 'adaptive' && wireBytesPerSecond < RAW_PREFERRED_FROM_BYTES_PER_SECOND),
    sent(beganMilliseconds, endedMilliseconds, wireBytes) {
      if (beganMilliseconds - lastEndedMilliseconds > IDLE_MILLISECONDS) busyBytes = 0;
      lastEndedMilliseconds = endedMilliseconds;
      busyBytes += wireBytes;
      if (busyBytes <= BUFFERED_BYTES) return;
      const rate = (wireBytes / Math.max(endedMilliseconds - beganMilliseconds, 0.01)) * 1000;
      const weight = wireBytes / (wireBytes + RATE_MEMORY_BYTES);
      wireBytesPerSecond += (rate - wireBytesPerSecond) * weight;
    },
    setMode(next) {
      mode = next;
    },
  };
}
