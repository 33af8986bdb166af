import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Clock } from '../../core/ports.ts';

export const systemClock: Clock = {
  wallMicroseconds: () => Math.round((performance.timeOrigin + performance.now()) * 1000) + wallShiftMicroseconds(),
  monotonicMilliseconds: () => performance.now(),
  async sleep(milliseconds, signal) {
    try {
      await sleepFor(milliseconds, undefined, { signal });
    } catch (thrown) {
      throw signal.aborted ? signal.reason : thrown;
    }
  },
};

/** `performance` counts on from the time at the start; the difference is what the wall clock was set by since. */
function wallShiftMicroseconds(): number {
  const shiftMilliseconds = Date.now() - (performance.timeOrigin + performance.now());
  return Math.abs(shiftMilliseconds) < 1.5 ? 0 : Math.round(shiftMilliseconds) * 1000;
}
