import { expect, test } from '@jest/globals';
import { EarlierDiscards } from './earlier-discards.ts';

test('R3: a discard that completes before all that was queued earlier is gone has everything compared, once', () => {
  const earlier = new EarlierDiscards(5000);
  earlier.completed();
  expect(earlier.settle(0, 5999)).toBe(false);
  expect(earlier.settle(1, 6000)).toBe(false);
  expect(earlier.gone).toBe(false);
  expect(earlier.settle(0, 6000)).toBe(true);
  expect(earlier.gone).toBe(true);
  expect(earlier.settle(0, 7000)).toBe(false);
});

test('without a discard nothing is compared again, and later ones have named all their ranges', () => {
  const earlier = new EarlierDiscards(5000);
  expect(earlier.settle(0, 6000)).toBe(false);
  expect(earlier.gone).toBe(true);
  earlier.completed();
  expect(earlier.settle(0, 7000)).toBe(false);
});
