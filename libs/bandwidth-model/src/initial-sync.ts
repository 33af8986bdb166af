/**
 * How long the first copy of all disks takes while the machine goes on writing.
 *
 * The first pass sends every block once; what was written behind its cursor meanwhile is the second pass, and so on until no
 * more is left than points can be attempted with. Each pass is shorter than the last as long as the link carries more than is
 * dirtied; when passes stop shrinking, the initial sync never ends. Writes go on as they were on average; blocks that the
 * measurement saw for the first time count as never sent before, which errs on the long side for long copies.
 */
import { AGE_STEPS_TICKS } from './age-steps.ts';
import { MODEL_CONSTANTS, type ModelConstants } from './constants.ts';
import { NEVER, durationSeconds, type WriteSeries } from './write-series.ts';

const SLICES_PER_PASS = 200;
const MAXIMUM_PASSES = 100;
/** A pass that is not at least so much smaller than the one before does not lead anywhere. */
const SHRINKING = 0.98;
const PASSES_UNTIL_JUDGED = 4;

export interface InitialSyncScenario {
  readonly series: WriteSeries;
  readonly diskBytes: number;
  /** Compressed by raw bytes of what lies on the disks, zeros included. */
  readonly presentRatio: number;
  /** … and of what is written. */
  readonly writtenRatio: number;
  readonly linkBitsPerSecond: number;
  readonly constants?: ModelConstants;
}

export interface ModelledInitialSync {
  /** Null: it would never end. */
  readonly seconds: number | null;
  readonly wireBytes: number;
  readonly passes: number;
}

export function modelInitialSync(scenario: InitialSyncScenario): ModelledInitialSync {
  const { series, diskBytes, presentRatio, writtenRatio, constants = MODEL_CONSTANTS } = scenario;
  const { blockSizeBytes } = series;
  const rates = meanRates(series);
  const way = new Way();
  let wireBytes = 0;
  let seconds = 0;
  let dirty = diskBytes / blockSizeBytes;
  for (let pass = 1; pass <= MAXIMUM_PASSES; pass++) {
    const wirePerBlock = blockSizeBytes * (pass === 1 ? presentRatio : writtenRatio) * constants.wireOverhead;
    const before = dirty;
    let ahead = dirty;
    let behind = 0;
    for (let slice = 0; slice < SLICES_PER_PASS; slice++) {
      const cursor = slice / SLICES_PER_PASS;
      const blocks = ahead / (SLICES_PER_PASS - slice);
      const wire = blocks * wirePerBlock;
      const wireSeconds = (wire * 8) / scenario.linkBitsPerSecond;
      const sliceSeconds = Math.max(wireSeconds, (blocks * blockSizeBytes) / constants.scanBytesPerSecond);
      seconds += sliceSeconds;
      wireBytes += wire;
      ahead -= blocks;
      way.record(seconds, pass - 1 + (slice + 1) / SLICES_PER_PASS);
      const fresh = sliceSeconds * freshBlocksPerSecond(rates, series.tickSeconds, way);
      // In the first pass only what was sent can become dirty anew, and that lies behind.
      const share = pass === 1 ? 1 : cursor;
      behind += fresh * share;
      ahead += fresh * (1 - share);
    }
    dirty = Math.min(behind, diskBytes / blockSizeBytes);
    if (dirty <= constants.backlogBlocks) return { seconds, wireBytes, passes: pass };
    if (pass > PASSES_UNTIL_JUDGED && dirty > before * SHRINKING) return { seconds: null, wireBytes, passes: pass };
  }
  return { seconds: null, wireBytes, passes: MAXIMUM_PASSES };
}

/** Touched blocks a second, by the step of their age. */
function meanRates(series: WriteSeries): readonly number[] {
  const duration = Math.max(durationSeconds(series), series.tickSeconds);
  return Array.from({ length: NEVER + 1 }, (_, step) => {
    const blocks = series.ticks.reduce((sum, { blocksByAge }) => sum + (blocksByAge[step] as number), 0);
    return blocks / duration;
  });
}

function freshBlocksPerSecond(rates: readonly number[], tickSeconds: number, way: Way): number {
  return rates.reduce((sum, rate, step) => {
    if (rate === 0) return sum;
    const ageSeconds = step === NEVER ? Infinity : (AGE_STEPS_TICKS[step] as number) * tickSeconds;
    return sum + rate * way.shareSince(ageSeconds);
  }, 0);
}

/** As `CursorHistory`, at instants that are not evenly spaced. */
class Way {
  readonly #seconds: number[] = [0];
  readonly #positions: number[] = [0];

  record(seconds: number, position: number): void {
    this.#seconds.push(seconds);
    this.#positions.push(position);
  }

  shareSince(ageSeconds: number): number {
    const now = this.#seconds.at(-1) as number;
    const then = now - ageSeconds;
    return Math.min(1, (this.#positions.at(-1) as number) - (then <= 0 ? 0 : this.#positionAt(then)));
  }

  #positionAt(seconds: number): number {
    let low = 0;
    let high = this.#seconds.length - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#seconds[middle] as number) < seconds) low = middle + 1;
      else high = middle;
    }
    const after = this.#seconds[low] as number;
    const before = this.#seconds[low - 1] ?? 0;
    const share = after === before ? 1 : (seconds - before) / (after - before);
    const from = this.#positions[low - 1] ?? 0;
    return from + ((this.#positions[low] as number) - from) * share;
  }
}
