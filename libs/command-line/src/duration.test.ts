import { expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { formatDurationSeconds, parseDuration } from './duration.ts';

test('a duration is a number and a unit', () => {
  expect(['500ms', '60s', '1.5m', '10m', '1h', '7d'].map(parseDuration)).toEqual([
    500, 60_000, 90_000, 600_000, 3_600_000, 604_800_000,
  ]);
});

test.each(['', '60', 's', '-1s', '0s', '1 m', '1w', '1e3s', '400d', '10m5s'])('%j is no duration', (text) => {
  expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
});

test('an unknown duration is "unknown", never 0', () => {
  expect(formatDurationSeconds(null)).toBe('unknown');
  expect([0, 1.26, 59.6, 200, 7_500, 100_000].map(formatDurationSeconds)).toEqual([
    '0s',
    '1.3s',
    '1m 0s',
    '3m 20s',
    '2h 5m',
    '1d 3h',
  ]);
});
