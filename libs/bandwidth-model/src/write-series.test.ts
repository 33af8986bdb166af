import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AGE_STEPS_TICKS, stepOfAge } from './age-steps.ts';
import { TouchRecorder } from './touch-recorder.ts';
import { combineSeries, cycleRates, uniqueBlocks, writtenBytes, type WriteSeries } from './write-series.ts';

const BLOCK_BYTES = 65_536;

/** Blocks that are touched in each tick. */
const touchedTicks = fc.array(fc.array(fc.nat(30), { maxLength: 20 }), { minLength: 1, maxLength: 40 });

function seriesOf(ticks: readonly (readonly number[])[]): WriteSeries {
  const recorder = new TouchRecorder();
  return {
    tickSeconds: 0.25,
    blockSizeBytes: BLOCK_BYTES,
    ticks: ticks.map((blocks) => {
      for (const block of blocks) recorder.touch(block * 5000, 1);
      return recorder.endTick(blocks.length * 4096, 1);
    }),
  };
}

function bruteForce(ticks: readonly (readonly number[])[], first: number, end: number): number {
  return new Set(ticks.slice(first, end).flat()).size;
}

test('unique blocks of a span of a few ticks are exactly those of a set', () => {
  fc.assert(
    fc.property(touchedTicks, fc.nat(39), fc.integer({ min: 1, max: 8 }), (ticks, from, length) => {
      const first = from % ticks.length;
      expect(uniqueBlocks(seriesOf(ticks), first, first + length)).toBe(bruteForce(ticks, first, first + length));
    }),
  );
});

test('unique blocks of a long span are never more than touched ones, and never less than of a set by more than steps cost', () => {
  fc.assert(
    fc.property(touchedTicks, (ticks) => {
      const unique = uniqueBlocks(seriesOf(ticks), 0, ticks.length);
      // From the beginning on, every block's first touch is known as such.
      expect(unique).toBe(bruteForce(ticks, 0, ticks.length));
      const half = Math.floor(ticks.length / 2);
      const late = uniqueBlocks(seriesOf(ticks), half, ticks.length);
      expect(late).toBeLessThanOrEqual(bruteForce(ticks, half, ticks.length));
    }),
  );
});

test('a block that is written without end is sent once per cycle', () => {
  const series = seriesOf(Array.from({ length: 40 }, () => [7, 7, 7]));
  expect(cycleRates(series, 1)).toEqual(Array.from({ length: 10 }, () => BLOCK_BYTES));
  expect(cycleRates(series, 5)).toEqual([BLOCK_BYTES / 5, BLOCK_BYTES / 5]);
  expect(writtenBytes(series)).toBe(40 * 3 * 4096);
});

test('a cycle longer than the measurement counts as long as there is anything', () => {
  expect(cycleRates(seriesOf([[1], [1], [2]]), 60)).toEqual([(2 * BLOCK_BYTES) / 0.75]);
  expect(cycleRates({ ...seriesOf([[1]]), ticks: [] }, 1)).toEqual([]);
});

test('disks are added up, and a machine is still only when all of its disks are', () => {
  const [one, two] = [seriesOf([[1], [2]]), seriesOf([[1, 3], []])];
  const moving = { ...two, ticks: two.ticks.map((tick) => ({ ...tick, stillShare: 0.25 })) };
  const both = combineSeries([one, moving]);
  expect(uniqueBlocks(both, 0, 2)).toBe(4);
  expect(both.ticks.map(({ stillShare }) => stillShare)).toEqual([0.25, 0.25]);
});

test('an age falls into the highest step that is not above it', () => {
  for (const age of [1, 2, 8, 9, 10, 1000, 399_999, 10_000_000]) {
    const step = AGE_STEPS_TICKS[stepOfAge(age)] as number;
    expect(step).toBeLessThanOrEqual(age);
    expect(AGE_STEPS_TICKS.filter((other) => other <= age).at(-1)).toBe(step);
  }
});
