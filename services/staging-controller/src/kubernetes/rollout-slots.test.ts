import { expect, test } from '@jest/globals';
import { RolloutSlots } from './rollout-slots.ts';

const NOW = new Date('2026-11-24T12:00:00Z');

test('only so many are replaced at a time, and a free slot goes to one that waits', () => {
  const slots = new RolloutSlots(1);
  expect(slots.take('m-1', NOW)).toBe(true);
  expect(slots.take('m-1', NOW)).toBe(true);
  expect(slots.take('m-2', NOW)).toBe(false);
  expect(slots.takeWaiting(NOW)).toEqual([]);
  slots.done('m-1');
  expect(slots.takeWaiting(NOW)).toEqual(['m-2']);
  expect(slots.take('m-2', NOW)).toBe(true);
});

test('one that does not come back holds up the others only for a while', () => {
  const slots = new RolloutSlots(1);
  slots.take('m-1', NOW);
  slots.take('m-2', NOW);
  expect(slots.takeWaiting(new Date('2026-11-24T12:11:00Z'))).toEqual(['m-2']);
});
