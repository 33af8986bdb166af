import { expect, test } from '@jest/globals';
import { RateLimiter } from './rate-limit.ts';

const rate = { burst: 3, perSecond: 2 };

test('a burst passes, then only as many as the rate allows', () => {
  const limiter = new RateLimiter();
  for (let index = 0; index < 3; index += 1) limiter.take('a', rate, 0);
  expect(() => limiter.take('a', rate, 0)).toThrow('too many requests');
  expect(() => limiter.take('a', rate, 499)).toThrow();
  expect(() => limiter.take('a', rate, 500)).not.toThrow();
  expect(() => limiter.take('a', rate, 500)).toThrow();
});

test('a caller that waits has no more than the burst again', () => {
  const limiter = new RateLimiter();
  for (let index = 0; index < 3; index += 1) limiter.take('a', rate, 0);
  for (let index = 0; index < 3; index += 1) limiter.take('a', rate, 1_000_000);
  expect(() => limiter.take('a', rate, 1_000_000)).toThrow();
});

test('one caller’s requests take nothing from another’s', () => {
  const limiter = new RateLimiter();
  for (let index = 0; index < 3; index += 1) limiter.take('a', rate, 0);
  expect(() => limiter.take('b', rate, 0)).not.toThrow();
});

test('however many callers come, no more buckets are kept than the bound', () => {
  const limiter = new RateLimiter(10);
  for (let index = 0; index < 1_000; index += 1) limiter.take(String(index), rate, 0);
  expect(limiter.size).toBe(10);
});
