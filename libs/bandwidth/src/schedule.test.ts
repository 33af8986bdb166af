import { expect, test } from '@jest/globals';
import { Weekday, type Bandwidth } from '@lms/api';
import fc from 'fast-check';
import { limitAt, nextChange } from './schedule.ts';

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'] as const;
const OFFICE_HOURS: Bandwidth = {
  limitBitsPerSecond: null,
  schedule: [{ days: [...WEEKDAYS], from: '08:00', to: '18:00', limitBitsPerSecond: 10_000_000 }],
  timeZone: 'Europe/Berlin',
};

function at(text: string): number {
  return Temporal.Instant.from(text).epochMilliseconds;
}

function limitsAt(bandwidth: Bandwidth, texts: readonly string[]): readonly (number | null)[] {
  return texts.map((text) => limitAt(bandwidth, at(text)));
}

test('a row holds from its first minute until before its last, on its days, by the clock of its zone', () => {
  const friday = ['2026-11-27T07:59:59+01:00', '2026-11-27T08:00:00+01:00', '2026-11-27T17:59:59.999+01:00'];
  expect(limitsAt(OFFICE_HOURS, friday)).toEqual([null, 10_000_000, 10_000_000]);
  expect(limitsAt(OFFICE_HOURS, ['2026-11-27T18:00:00+01:00', '2026-11-28T12:00:00+01:00'])).toEqual([null, null]);
  expect(limitsAt({ ...OFFICE_HOURS, timeZone: 'Asia/Tokyo' }, ['2026-11-27T08:30:00+01:00'])).toEqual([10_000_000]);
});

test('a row that ends at or before its start goes over midnight, and belongs to the day on which it begins', () => {
  const night: Bandwidth = {
    limitBitsPerSecond: 1_000_000,
    schedule: [
      { days: ['friday'], from: '22:00', to: '06:00', limitBitsPerSecond: null },
      { days: ['sunday'], from: '12:00', to: '12:00', limitBitsPerSecond: 2_000_000 },
    ],
    timeZone: 'UTC',
  };
  const friday = ['2026-11-27T05:00:00Z', '2026-11-27T22:00:00Z', '2026-11-28T05:59:00Z', '2026-11-28T06:00:00Z'];
  expect(limitsAt(night, friday)).toEqual([1_000_000, null, null, 1_000_000]);
  const sunday = ['2026-11-29T11:59:00Z', '2026-11-29T12:00:00Z', '2026-11-30T11:59:00Z', '2026-11-30T12:00:00Z'];
  expect(limitsAt(night, sunday)).toEqual([1_000_000, 2_000_000, 2_000_000, 1_000_000]);
});

test('the first row that holds decides', () => {
  const [rule] = OFFICE_HOURS.schedule;
  if (rule === undefined) throw new Error('no row');
  const lunch = { days: ['friday' as const], from: '12:00', to: '13:00', limitBitsPerSecond: null };
  const noon = at('2026-11-27T12:30:00+01:00');
  expect(limitAt({ ...OFFICE_HOURS, schedule: [lunch, rule] }, noon)).toBe(null);
  expect(limitAt({ ...OFFICE_HOURS, schedule: [rule, lunch] }, noon)).toBe(10_000_000);
});

test('on the days when clocks are changed, what the clock on the wall shows counts', () => {
  const early: Bandwidth = {
    limitBitsPerSecond: null,
    schedule: [{ days: ['sunday'], from: '02:30', to: '04:00', limitBitsPerSecond: 1_000_000 }],
    timeZone: 'Europe/Berlin',
  };
  // Spring: 02:00 to 03:00 is left out, so the row begins at 03:00.
  const spring = ['2026-03-29T01:59:59+01:00', '2026-03-29T03:00:00+02:00', '2026-03-29T04:00:00+02:00'];
  expect(limitsAt(early, spring)).toEqual([null, 1_000_000, null]);
  expect(nextChange(early, at('2026-03-29T00:00:00+01:00'))).toBe(at('2026-03-29T03:00:00+02:00'));
  // Autumn: 02:00 to 03:00 comes twice, so the row is interrupted.
  const autumn = ['2026-10-25T02:30:00+02:00', '2026-10-25T02:00:00+01:00', '2026-10-25T02:30:00+01:00'];
  expect(limitsAt(early, autumn)).toEqual([1_000_000, null, 1_000_000]);
  expect(nextChange(early, at('2026-10-25T02:45:00+02:00'))).toBe(at('2026-10-25T02:00:00+01:00'));
});

test('the next change is when another limit holds, not merely another row', () => {
  expect(nextChange(OFFICE_HOURS, at('2026-11-27T18:00:00+01:00'))).toBe(at('2026-11-30T08:00:00+01:00'));
  const weekly: Bandwidth = {
    ...OFFICE_HOURS,
    schedule: [{ days: ['friday'], from: '00:00', to: '00:00', limitBitsPerSecond: 1_000_000 }],
  };
  expect(nextChange(weekly, at('2026-11-28T00:00:00+01:00'))).toBe(at('2026-12-04T00:00:00+01:00'));
  const always = { ...OFFICE_HOURS, limitBitsPerSecond: 10_000_000 };
  expect(nextChange(always, at('2026-11-27T12:00:00+01:00'))).toBe(null);
  const [office] = OFFICE_HOURS.schedule;
  if (office === undefined) throw new Error('no row');
  const evening: Bandwidth = { ...OFFICE_HOURS, schedule: [{ ...office, to: '24:00' }] };
  expect(limitAt(evening, at('2026-11-27T23:59:59+01:00'))).toBe(10_000_000);
  expect(nextChange(evening, at('2026-11-27T12:00:00+01:00'))).toBe(at('2026-11-28T00:00:00+01:00'));
  expect(nextChange({ ...always, schedule: [] }, at('2026-11-27T12:00:00+01:00'))).toBe(null);
});

const quarterHours = fc
  .integer({ min: 0, max: 95 })
  .map(
    (quarter) => `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`,
  );
const schedules: fc.Arbitrary<Bandwidth> = fc.record({
  limitBitsPerSecond: fc.constantFrom(null, 1_000_000),
  schedule: fc.array(
    fc.record({
      days: fc.uniqueArray(fc.constantFrom(...Weekday.options), { minLength: 1 }),
      from: quarterHours,
      to: quarterHours,
      limitBitsPerSecond: fc.constantFrom(null, 1_000_000, 2_000_000),
    }),
    { maxLength: 4 },
  ),
  // Lord Howe changes its clocks by half an hour, Santiago at midnight.
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/Santiago'),
});

test('the next change agrees with looking every quarter of an hour, also where clocks are changed', () => {
  const quarter = 15 * 60_000;
  const starts = fc.constantFrom(
    '2026-03-25T00:00:00Z',
    '2026-04-01T00:00:00Z',
    '2026-09-02T00:00:00Z',
    '2026-10-22T00:00:00Z',
  );
  fc.assert(
    fc.property(schedules, starts, fc.integer({ min: 0, max: 95 }), (bandwidth, start, offset) => {
      const begin = at(start) + offset * quarter;
      const now = limitAt(bandwidth, begin);
      const later = Array.from({ length: 8 * 96 }, (_, index) => begin + (index + 1) * quarter);
      expect(nextChange(bandwidth, begin)).toBe(later.find((instant) => limitAt(bandwidth, instant) !== now) ?? null);
    }),
    { numRuns: 100 },
  );
});
