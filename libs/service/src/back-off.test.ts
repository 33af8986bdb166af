import { expect, test } from '@jest/globals';
import { BackOff, pause } from './back-off.ts';

test('the wait doubles with each failure in a row, up to its limit, and begins anew after a success', () => {
  const backOff = new BackOff({ firstMilliseconds: 100, longestMilliseconds: 500 }, () => 1);
  expect([backOff.failed(), backOff.failed(), backOff.failed(), backOff.failed()]).toEqual([100, 200, 400, 500]);
  expect(backOff.failures).toBe(4);
  backOff.succeeded();
  expect(backOff.failed()).toBe(100);
});

test('the wait is never shorter than three quarters of what it could be', () => {
  const backOff = new BackOff({ firstMilliseconds: 100, longestMilliseconds: 500 }, () => 0);
  expect(backOff.failed()).toBe(75);
});

test('a pause that is aborted ends and says so', async () => {
  const giveUp = new AbortController();
  const paused = pause(1_000_000, giveUp.signal);
  giveUp.abort();
  expect(await paused).toBe(false);
  expect(await pause(0, new AbortController().signal)).toBe(true);
});
