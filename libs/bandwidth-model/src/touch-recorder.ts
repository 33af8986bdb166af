/**
 * Makes a write series of what is told about one disk. Memory: four bytes for each block of the regions (256 MiB) that were
 * ever written to, so 64 MiB for a TiB that is written to everywhere.
 */
import { stepOfAge } from './age-steps.ts';
import { NEVER, type WriteTick } from './write-series.ts';

const BLOCKS_PER_REGION = 4096;

export class TouchRecorder {
  /** The tick in which a block was touched last, counted from 1; 0: never. */
  readonly #regions = new Map<number, Uint32Array>();
  #tick = 1;
  #blocksByAge = emptyAges();

  /** Once for each block and tick counts; more often does no harm. */
  touch(firstBlock: number, blockCount: number): void {
    for (let block = firstBlock; block < firstBlock + blockCount; block++) {
      const region = this.#region(Math.floor(block / BLOCKS_PER_REGION));
      const index = block % BLOCKS_PER_REGION;
      const last = region[index] as number;
      if (last === this.#tick) continue;
      region[index] = this.#tick;
      const step = last === 0 ? NEVER : stepOfAge(this.#tick - last);
      this.#blocksByAge[step] = (this.#blocksByAge[step] as number) + 1;
    }
  }

  endTick(writtenBytes: number, stillShare: number): WriteTick {
    const tick = { writtenBytes, stillShare, blocksByAge: this.#blocksByAge };
    this.#blocksByAge = emptyAges();
    this.#tick++;
    return tick;
  }

  #region(number: number): Uint32Array {
    const known = this.#regions.get(number);
    if (known !== undefined) return known;
    const made = new Uint32Array(BLOCKS_PER_REGION);
    this.#regions.set(number, made);
    return made;
  }
}

function emptyAges(): number[] {
  return Array.from({ length: NEVER + 1 }, () => 0);
}
