/**
 * How well the data compresses: samples of the disks, compressed exactly as the product sends them.
 *
 * Two questions with two answers: what lies on the disks (initial sync) and what is written (continuous replication). Reads are
 * with O_DIRECT, one at a time, at idle priority (R17), and there is a cap on their bytes for each second and for all.
 */
import { BLOCK_SIZE_BYTES, compressChunk, isZero } from '@lms/block-stream';
import { allocateAlignedMemory } from '@lms/linux';
import type { Clock, SourceDisk } from '../core/index.ts';
import type { BlockRange } from '../core/measuring.ts';

/** As much as the longest frame holds when its neighbours are written too. */
const SAMPLE_BLOCKS = 4;
const SAMPLE_BYTES = SAMPLE_BLOCKS * BLOCK_SIZE_BYTES;
/** For each of the two questions and each disk. */
export const MAXIMUM_SAMPLES = 96;
/** Together at most 4 MiB a second. */
const PAUSE_MILLISECONDS = SAMPLE_BYTES / 4096;

export interface SampledCompression {
  /** Compressed bytes by raw bytes, zeros included; null: nothing was sampled. */
  readonly ratio: number | null;
  readonly sampledBytes: number;
}

interface Sum {
  rawBytes: number;
  compressedBytes: number;
}

/** Keeps a bounded choice of what was written, every touched range with the same chance, and reads it while the measurement runs. */
export class CompressionSampler {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #buffer = allocateAlignedMemory(SAMPLE_BYTES);
  readonly #written = new Map<SourceDisk, { seen: number; readonly chosen: BlockRange[]; readonly sum: Sum }>();
  readonly #present = new Map<SourceDisk, Sum>();

  constructor(disks: readonly SourceDisk[], clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
    for (const disk of disks) {
      this.#written.set(disk, { seen: 0, chosen: [], sum: { rawBytes: 0, compressedBytes: 0 } });
      this.#present.set(disk, { rawBytes: 0, compressedBytes: 0 });
    }
  }

  /** A reservoir: of any number of ranges, as many as fit, each with the same chance. */
  touched(disk: SourceDisk, ranges: readonly BlockRange[]): void {
    const written = this.#of(this.#written, disk);
    for (const range of ranges) {
      written.seen++;
      if (written.chosen.length < MAXIMUM_SAMPLES) written.chosen.push(range);
      else {
        const place = Math.floor(this.#random() * written.seen);
        if (place < MAXIMUM_SAMPLES) written.chosen[place] = range;
      }
    }
  }

  /** What lies on the disks: places at even distances, so that every part of a disk is seen. Until done or aborted. */
  async samplePresent(signal: AbortSignal): Promise<void> {
    for (const [disk, sum] of this.#present) {
      const blocks = Math.floor(disk.sizeBytes / BLOCK_SIZE_BYTES);
      const samples = Math.min(MAXIMUM_SAMPLES, Math.ceil(blocks / SAMPLE_BLOCKS));
      for (let sample = 0; sample < samples && !signal.aborted; sample++) {
        const place = Math.floor(((sample + this.#random()) / samples) * Math.max(0, blocks - SAMPLE_BLOCKS));
        await this.#add(disk, { firstBlock: place, blockCount: Math.min(SAMPLE_BLOCKS, blocks) }, sum, signal);
      }
    }
  }

  /** What was written, of the ranges that were chosen. */
  async sampleWritten(signal: AbortSignal): Promise<void> {
    for (const [disk, { chosen, sum }] of this.#written) {
      for (const range of chosen) {
        if (signal.aborted) return;
        await this.#add(disk, { ...range, blockCount: Math.min(SAMPLE_BLOCKS, range.blockCount) }, sum, signal);
      }
    }
  }

  present(disk: SourceDisk): SampledCompression {
    return resultOf(this.#of(this.#present, disk));
  }

  written(disk: SourceDisk): SampledCompression {
    return resultOf(this.#of(this.#written, disk).sum);
  }

  async #add(disk: SourceDisk, { firstBlock, blockCount }: BlockRange, sum: Sum, signal: AbortSignal): Promise<void> {
    const offsetBytes = firstBlock * BLOCK_SIZE_BYTES;
    const data = this.#buffer.subarray(0, Math.min(blockCount * BLOCK_SIZE_BYTES, disk.sizeBytes - offsetBytes));
    await disk.read(offsetBytes, data);
    sum.rawBytes += data.byteLength;
    sum.compressedBytes += await sentBytes(data);
    await this.#clock.sleep(PAUSE_MILLISECONDS, signal).catch(() => undefined);
  }

  #of<Value>(map: ReadonlyMap<SourceDisk, Value>, disk: SourceDisk): Value {
    const value = map.get(disk);
    if (value === undefined) throw new RangeError(`${disk.device} is not sampled`);
    return value;
  }
}

/** Payload bytes of the frames that these blocks become: zeros are none. */
async function sentBytes(data: Uint8Array): Promise<number> {
  let bytes = 0;
  for (let start = 0; start < data.byteLength;) {
    const end = endOfRun(data, start);
    const run = data.subarray(start, end);
    if (!isZero(run)) bytes += (await compressChunk(run))?.byteLength ?? run.byteLength;
    start = end;
  }
  return bytes;
}

/** Blocks of zeros, or blocks that are none. */
function endOfRun(data: Uint8Array, start: number): number {
  const zeros = isZero(data.subarray(start, start + BLOCK_SIZE_BYTES));
  let end = start + BLOCK_SIZE_BYTES;
  while (end < data.byteLength && isZero(data.subarray(end, end + BLOCK_SIZE_BYTES)) === zeros) end += BLOCK_SIZE_BYTES;
  return Math.min(end, data.byteLength);
}

function resultOf({ rawBytes, compressedBytes }: Sum): SampledCompression {
  return { ratio: rawBytes === 0 ? null : compressedBytes / rawBytes, sampledBytes: rawBytes };
}
