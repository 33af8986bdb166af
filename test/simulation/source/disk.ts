/** A source disk as hardware: bytes, and the few figures that the kernel shows of it. Every change goes to the timeline. */
import { fillSectors, SECTOR_BYTES, type Timeline } from '../oracle/timeline.ts';

export interface DiskShape {
  readonly diskId: string;
  readonly device: string;
  readonly deviceNumber: number;
  readonly partitionNumber: number;
  readonly sizeBytes: number;
  /** Its queue shows no requests: zram, device-mapper (R6). */
  readonly silent: boolean;
}

export class SimulatedDisk {
  readonly shape: DiskShape;
  readonly index: number;
  readonly sectors: number;
  readonly #timeline: Timeline;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** As `/sys/block/X/inflight` and `/sys/block/X/diskseq` show them. */
  writesInFlight = 0;
  diskSequence = 1;
  shownSizeBytes: number;
  present = true;
  /** Reads to fail with EIO. */
  readErrors = 0;
  /** Reads take this long more: a device that hangs. */
  readDelayMicroseconds = 0;

  constructor(index: number, shape: DiskShape, timeline: Timeline) {
    this.index = index;
    this.shape = shape;
    this.#timeline = timeline;
    this.sectors = shape.sizeBytes / SECTOR_BYTES;
    this.shownSizeBytes = shape.sizeBytes;
    this.#bytes = new Uint8Array(shape.sizeBytes);
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  change(sector: number, count: number, version: number): void {
    if (count === 0) return;
    fillSectors(this.#words, sector, count, version);
    this.#timeline.record(this.index, sector, count, version);
  }

  versionAt(sector: number): number {
    return this.#words[(sector * SECTOR_BYTES) / 4] as number;
  }

  /** What a device reads at this very instant. */
  copy(offsetBytes: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offsetBytes, offsetBytes + target.length));
  }
}
