/**
 * What a machine writes, over time, in the form that tells how much of it has to be sent.
 *
 * Situation: a block that is rewritten is sent once per cycle, however often it was written, and nobody knows beforehand how
 * long a cycle will be: it gets longer as the link gets slower. Mechanism: time is cut into ticks, and for each tick it is
 * kept how many blocks were touched and how long ago each had been touched before (its age). A block counts in a span of time
 * exactly if its age reaches back beyond the span's beginning, so the unique blocks of every span follow from one series.
 * Downside: ages are kept in steps (`age-steps.ts`), which costs some per cent of accuracy for long spans.
 */
import { AGE_STEPS_TICKS } from './age-steps.ts';

/** Of one tick. */
export interface WriteTick {
  /** Of completed writes, rewrites counted each time. */
  readonly writtenBytes: number;
  /** Touched blocks by the step of their age; the last entry is of blocks that were never touched before. */
  readonly blocksByAge: readonly number[];
  /** Share of the tick's looks at the disk between which nothing was written, 0 to 1. */
  readonly stillShare: number;
}

export interface WriteSeries {
  readonly tickSeconds: number;
  readonly blockSizeBytes: number;
  readonly ticks: readonly WriteTick[];
}

/** Whoever measures looks so often whether something was written since the last look. */
export const LOOK_INTERVAL_SECONDS = 0.05;

export const NEVER = AGE_STEPS_TICKS.length;

export function durationSeconds(series: WriteSeries): number {
  return series.ticks.length * series.tickSeconds;
}

export function writtenBytes(series: WriteSeries): number {
  return series.ticks.reduce((sum, tick) => sum + tick.writtenBytes, 0);
}

/** Blocks that were touched in the ticks from `first` up to, but not including, `end`. */
export function uniqueBlocks(series: WriteSeries, first: number, end: number): number {
  let blocks = 0;
  for (let index = first; index < Math.min(end, series.ticks.length); index++) {
    const ticksBefore = index - first;
    const { blocksByAge } = series.ticks[index] as WriteTick;
    for (let step = 0; step <= NEVER; step++) {
      if (step === NEVER || (AGE_STEPS_TICKS[step] as number) > ticksBefore) blocks += blocksByAge[step] as number;
    }
  }
  return blocks;
}

/** Unique bytes a second, of one cycle after the other; a rest shorter than a cycle is left out, unless it is all there is. */
export function cycleRates(series: WriteSeries, cycleSeconds: number): number[] {
  const ticks = Math.max(1, Math.round(cycleSeconds / series.tickSeconds));
  const cycle = Math.min(ticks, series.ticks.length);
  const rates: number[] = [];
  for (let first = 0; cycle > 0 && first + cycle <= series.ticks.length; first += cycle) {
    const bytes = uniqueBlocks(series, first, first + cycle) * series.blockSizeBytes;
    rates.push(bytes / (cycle * series.tickSeconds));
  }
  return rates;
}

/** Of several disks at the same time: a machine is still when all of its disks are. */
export function combineSeries(all: readonly WriteSeries[]): WriteSeries {
  const [first] = all;
  if (first === undefined) throw new RangeError('no series to combine');
  const length = Math.max(...all.map(({ ticks }) => ticks.length));
  const ticks = Array.from({ length }, (_, index) => combineTicks(all.flatMap((series) => series.ticks[index] ?? [])));
  return { ...first, ticks };
}

function combineTicks(ticks: readonly WriteTick[]): WriteTick {
  return {
    writtenBytes: ticks.reduce((sum, tick) => sum + tick.writtenBytes, 0),
    blocksByAge: Array.from({ length: NEVER + 1 }, (_, step) =>
      ticks.reduce((sum, tick) => sum + (tick.blocksByAge[step] as number), 0),
    ),
    stillShare: Math.min(...ticks.map((tick) => tick.stillShare)),
  };
}
