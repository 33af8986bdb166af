import { expect, test } from '@jest/globals';
import { OpenRanges, type SectorRange } from './open-ranges.ts';

const FIRST = { sector: 0, sectorCount: 8 };
const SECOND = { sector: 1000, sectorCount: 8 };
const TRUSTED = 5000;

function marked(ranges: OpenRanges): SectorRange[] {
  const again: SectorRange[] = [];
  ranges.markAgain((range) => again.push(range));
  return again;
}

test('R3: one completion marks every open range again, and none is marked without one', () => {
  const ranges = new OpenRanges(0);
  ranges.queued(FIRST, TRUSTED);
  ranges.queued(SECOND, TRUSTED);
  expect(marked(ranges)).toEqual([]);
  ranges.completed({ sector: 0, sectorCount: 16 }, TRUSTED);
  expect(marked(ranges)).toEqual([FIRST, SECOND]);
  expect(marked(ranges)).toEqual([]);
});

test('R3: a range closes when all that was queued completed and nothing is in flight', () => {
  const ranges = new OpenRanges(0);
  ranges.queued(FIRST, TRUSTED);
  ranges.queued(SECOND, TRUSTED);
  ranges.completed({ sector: 0, sectorCount: 8 }, TRUSTED);
  ranges.settle(0, TRUSTED);
  expect(ranges.count).toBe(2);
  ranges.completed({ sector: 1000, sectorCount: 8 }, TRUSTED);
  ranges.settle(1, TRUSTED);
  expect(ranges.count).toBe(2);
  ranges.settle(0, TRUSTED);
  expect(ranges.count).toBe(0);
});

test('a completion of what was queued before tracing began does not pay for what came later', () => {
  const ranges = new OpenRanges(0);
  ranges.queued(SECOND, TRUSTED);
  ranges.completed({ sector: 0, sectorCount: 8 }, TRUSTED);
  ranges.settle(0, TRUSTED);
  expect(ranges.count).toBe(1);
});

test('right after the start no count closes a range, only time does', () => {
  const ranges = new OpenRanges(TRUSTED);
  ranges.queued(FIRST, TRUSTED + 1);
  ranges.completed(FIRST, TRUSTED + 2);
  ranges.settle(0, TRUSTED + 3);
  expect(ranges.count).toBe(1);
  ranges.settle(0, TRUSTED + 1100);
  expect(ranges.count).toBe(0);
});

test('too many ranges become one that spans them', () => {
  const ranges = new OpenRanges(0);
  for (let index = 0; index <= 4096; index++) ranges.queued({ sector: index * 100, sectorCount: 8 }, 0);
  expect(ranges.ranges).toEqual([{ sector: 0, sectorCount: 409_608 }]);
});
