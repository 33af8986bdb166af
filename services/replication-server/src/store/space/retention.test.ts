import { expect, test } from '@jest/globals';
import type { StagedPoint } from '../staging-store.ts';
import { DEFAULT_RETENTION, pointsToDelete } from './retention.ts';

const DAY = 86_400;
/** A Monday at noon, so that spans of a day and an hour begin where one expects. */
const NOW_SECONDS = 20_000 * DAY + DAY / 2;

function point(sequence: number, ageSeconds: number): StagedPoint {
  return {
    sequence,
    checkpointId: `c${sequence}`,
    requestId: '',
    consistency: 'crash',
    instantMicroseconds: (NOW_SECONDS - ageSeconds) * 1e6,
    pauseMicroseconds: 0,
    pinned: false,
    disks: [],
  };
}

function keptAges(points: readonly StagedPoint[], rows = DEFAULT_RETENTION): number[] {
  const deleted = new Set(pointsToDelete(points, rows, NOW_SECONDS * 1e6, () => false));
  return points
    .filter(({ sequence }) => !deleted.has(sequence))
    .map(({ instantMicroseconds }) => NOW_SECONDS - instantMicroseconds / 1e6);
}

test('of points every 10 s for ten days, the default keeps one of ten minutes for an hour, of an hour for a day, of a day for a week', () => {
  const points = Array.from({ length: (10 * DAY) / 10 }, (_, index) => point(index + 1, 10 * DAY - 10 - index * 10));
  const ages = keptAges(points);
  expect(ages.at(-1)).toBe(0);
  expect(ages.filter((age) => age <= 3600).length).toBeGreaterThanOrEqual(6);
  expect(ages.filter((age) => age <= 3600).length).toBeLessThanOrEqual(8);
  // The day's first hour is among those above.
  expect(ages.filter((age) => age > 3600 && age <= DAY).length).toBe(23);
  expect(ages.filter((age) => age > DAY).length).toBeLessThanOrEqual(7);
  expect(Math.max(...ages)).toBeGreaterThan(6 * DAY);
});

test('deleting twice deletes nothing more', () => {
  const points = Array.from({ length: 1000 }, (_, index) => point(index + 1, 30_000 - index * 30));
  const deleted = new Set(pointsToDelete(points, DEFAULT_RETENTION, NOW_SECONDS * 1e6, () => false));
  const left = points.filter(({ sequence }) => !deleted.has(sequence));
  expect(pointsToDelete(left, DEFAULT_RETENTION, NOW_SECONDS * 1e6, () => false)).toEqual([]);
});

test('the newest by sequence is kept, however old it is and whatever its clock says', () => {
  expect(keptAges([point(1, 100 * DAY), point(2, 200 * DAY)])).toEqual([200 * DAY]);
  expect(keptAges([point(1, 10), point(2, 20)], [])).toEqual([20]);
});

test('a point from the future is kept as if it were new', () => {
  expect(keptAges([point(1, -5 * DAY), point(2, 0)])).toEqual([-5 * DAY, 0]);
});

test('a point in use stays, and does not save others', () => {
  const points = [point(1, 50 * DAY), point(2, 50 * DAY - 10), point(3, 0)];
  expect(pointsToDelete(points, DEFAULT_RETENTION, NOW_SECONDS * 1e6, (sequence) => sequence === 1)).toEqual([2]);
});

test('of each span the newest is kept', () => {
  const rows = [{ everySeconds: 600, keepSeconds: 3600 }];
  expect(keptAges([point(1, 900), point(2, 700), point(3, 601), point(4, 300), point(5, 10)], rows)).toEqual([601, 10]);
});

test('a point that somebody asked for stays for an hour, however many come after it', () => {
  const requested = { ...point(1, 3500), requestId: 'operation-1' };
  const older = { ...point(0, 3700), requestId: 'operation-0' };
  expect(keptAges([older, requested, point(2, 3400), point(3, 0)], [])).toEqual([3500, 0]);
});
