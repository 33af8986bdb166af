/** A machine's clock: monotonic time is the history's, wall time is set by somebody now and then. */
import type { Clock } from '../../../services/agent/src/core/index.ts';
import { never, type SimulatedProcess } from '../process.ts';
import type { Scheduler } from './scheduler.ts';

const WALL_START_MICROSECONDS = 1_750_000_000_000_000;

interface WallSegment {
  readonly fromMicroseconds: number;
  readonly offsetMicroseconds: number;
}

export class WallClock {
  readonly #scheduler: Scheduler;
  readonly #segments: WallSegment[] = [{ fromMicroseconds: 0, offsetMicroseconds: WALL_START_MICROSECONDS }];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  nowMicroseconds(): number {
    return this.#scheduler.nowMicroseconds + (this.#segments.at(-1) as WallSegment).offsetMicroseconds;
  }

  jump(byMicroseconds: number): void {
    const offset = (this.#segments.at(-1) as WallSegment).offsetMicroseconds;
    this.#segments.push({
      fromMicroseconds: this.#scheduler.nowMicroseconds,
      offsetMicroseconds: offset + byMicroseconds,
    });
  }

  /** What it shows now, and what it would show if it had never been set, or been set last to any earlier time. */
  allNows(): readonly number[] {
    return this.#segments.map(({ offsetMicroseconds }) => this.#scheduler.nowMicroseconds + offsetMicroseconds);
  }

  /** The instants of the history at which this clock showed that time: several when it was set back. */
  instantsOf(wallMicroseconds: number): readonly number[] {
    const instants: number[] = [];
    for (const [index, segment] of this.#segments.entries()) {
      const instant = wallMicroseconds - segment.offsetMicroseconds;
      const end = this.#segments[index + 1]?.fromMicroseconds ?? this.#scheduler.nowMicroseconds;
      if (instant >= segment.fromMicroseconds && instant <= end) instants.push(instant);
    }
    return instants;
  }
}

export function simulatedClock(process: SimulatedProcess, wallClock: WallClock): Clock {
  const { scheduler } = process;
  return {
    wallMicroseconds: () => process.step('clock.wall', () => wallClock.nowMicroseconds()),
    monotonicMilliseconds: () => process.step('clock.monotonic', () => scheduler.nowMicroseconds / 1000),
    sleep: (milliseconds, signal) => {
      try {
        process.step('clock.sleep', () => undefined);
      } catch {
        return never(); // a rejection could be caught, and tried again for ever
      }
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const timer = scheduler.after(milliseconds * 1000, () => {
          signal.removeEventListener('abort', cancel);
          if (process.alive) resolve();
        });
        const cancel = (): void => {
          timer.cancel();
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', cancel, { once: true });
      });
    },
  };
}
