import { expect, test } from '@jest/globals';
import { clockSkewMilliseconds, describeSkew, judgeSkew, skewOutcome } from './clock.ts';

const reading = (theirs: number, resolutionMilliseconds = 1_000) =>
  clockSkewMilliseconds({ theirs, askedAt: 1_000_000, answeredAt: 1_000_400, resolutionMilliseconds });

test('what lies within the round trip and the resolution is no difference', () => {
  for (const theirs of [999_100, 1_000_000, 1_000_400]) expect(reading(theirs)).toBe(0);
  expect(reading(999_999, 1)).toBe(0);
});

test('a difference is what is left of it for certain, with its sign', () => {
  expect(reading(1_060_400)).toBe(60_000);
  expect(reading(938_000)).toBe(-61_000);
});

test('half a minute is worth a warning, five minutes are a failure', () => {
  expect([0, 29_000, -31_000, 301_000, -301_000].map(judgeSkew)).toEqual([
    'agree',
    'agree',
    'warning',
    'failed',
    'failed',
  ]);
  expect(skewOutcome(60_000)).toMatchObject({
    warning: 'CLOCK_SKEW',
    detail: expect.stringContaining('60 s behind') as unknown,
  });
  expect(describeSkew(-86_400_000)).toContain('24 h ahead of');
});
