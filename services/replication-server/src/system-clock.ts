import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from './core/ports.ts';

export const systemClock: Clock = {
  wallMicroseconds: () => Date.now() * 1000,
  monotonicMilliseconds: () => performance.now(),
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
};
