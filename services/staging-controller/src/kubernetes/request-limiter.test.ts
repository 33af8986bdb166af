import { expect, test } from '@jest/globals';
import { RequestLimiter } from './request-limiter.ts';

function limiterAt(): { limiter: RequestLimiter; pass: (milliseconds: number) => void } {
  let now = 1_000;
  const limiter = new RequestLimiter({ requestsPerSecond: 10, burst: 3 }, () => now);
  return { limiter, pass: (milliseconds) => (now += milliseconds) };
}

test('a burst passes at once, and what comes after it waits its turn', () => {
  const { limiter } = limiterAt();
  expect([1, 2, 3, 4, 5].map(() => Math.round(limiter.reserve()))).toEqual([0, 0, 0, 100, 200]);
});

test('tokens come back with time, and never more than a burst', () => {
  const { limiter, pass } = limiterAt();
  for (let taken = 0; taken < 3; taken += 1) limiter.reserve();
  pass(60_000);
  expect([1, 2, 3, 4].map(() => Math.round(limiter.reserve()))).toEqual([0, 0, 0, 100]);
});

test('a server that asks for a pause gets it', () => {
  const { limiter, pass } = limiterAt();
  limiter.closeFor(2_000);
  expect(limiter.reserve()).toBe(2_000);
  pass(2_000);
  expect(limiter.reserve()).toBe(0);
});

test('who gives up while it waits is told so', async () => {
  const { limiter } = limiterAt();
  limiter.closeFor(60_000);
  const giveUp = new AbortController();
  const waiting = limiter.wait(giveUp.signal);
  giveUp.abort(new Error('no longer wanted'));
  await expect(waiting).rejects.toThrow('no longer wanted');
});
