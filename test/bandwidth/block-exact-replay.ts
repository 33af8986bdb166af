// The agent's owner loop on single blocks instead of amounts: which points a trace gets, with every block known by its number.
//
// Written to be compared with the model, so it shares nothing with it but the constants: sets of blocks, sweeps in the order of
// block numbers, a queue of runs in front of the link. Slow, and it needs the trace: nobody could foretell anything with it.

import type { CommittedPoint, ModelConstants } from '@lms/bandwidth-model';
import type { TracedWrite } from './write-trace.ts';

const STEP_SECONDS = 0.005;
const BLOCK_BYTES = 65_536;
const MAXIMUM_RUN_BLOCKS = 16;

export interface BlockExactOptions {
  readonly writes: readonly TracedWrite[];
  readonly seconds: number;
  readonly compressionRatio: number;
  readonly linkBitsPerSecond: number;
  readonly pointIntervalSeconds: number;
  readonly constants: ModelConstants;
}

/** File systems may be frozen whenever a point is due. */
export function replayBlockExact(options: BlockExactOptions): readonly CommittedPoint[] {
  const replay = new Replay(options);
  for (let step = 0; step * STEP_SECONDS < options.seconds; step++) replay.step(step * STEP_SECONDS);
  return replay.points;
}

class Replay {
  readonly points: CommittedPoint[] = [];
  readonly #options: BlockExactOptions;
  readonly #dirty = new Set<number>();
  /** Wire bytes of each run that waits, oldest first. */
  readonly #waiting: number[] = [];
  #kernelBytes = 0;
  #next = 0;
  /** Blocks of the running sweep that are not passed yet, ascending. */
  #sweep: number[] = [];
  #sweepBeganAt = -Infinity;
  #attemptedAt = -Infinity;
  /** What the owner waits for, and does then; null: it sweeps. */
  #waitsFor: ((now: number) => void) | null = null;

  constructor(options: BlockExactOptions) {
    this.#options = options;
  }

  step(now: number): void {
    const { writes, linkBitsPerSecond, constants } = this.#options;
    for (
      let write = writes[this.#next];
      write !== undefined && write.milliseconds <= now * 1000;
      write = writes[this.#next]
    ) {
      const first = Math.floor(write.offsetBytes / BLOCK_BYTES);
      const last = Math.floor((write.offsetBytes + write.lengthBytes - 1) / BLOCK_BYTES);
      for (let block = first; block <= last; block++) this.#dirty.add(block);
      this.#next++;
    }
    this.#kernelBytes = Math.max(0, this.#kernelBytes - (linkBitsPerSecond / 8) * STEP_SECONDS);
    while (this.#waiting.length > 0 && this.#kernelBytes < constants.kernelBufferBytes) {
      this.#kernelBytes += this.#waiting.shift() as number;
    }
    if (this.#waitsFor === null) this.#between(now);
    else this.#waitsFor(now);
  }

  #between(now: number): void {
    const { pointIntervalSeconds, constants } = this.#options;
    if (now - this.#attemptedAt >= pointIntervalSeconds && this.#dirty.size <= constants.backlogBlocks) {
      this.#attempt();
      return;
    }
    if (this.#sweep.length === 0) {
      if (this.#dirty.size === 0 || now - this.#sweepBeganAt < constants.sweepIntervalSeconds) return;
      this.#sweepBeganAt = now;
      this.#sweep = [...this.#dirty].toSorted((a, b) => a - b);
    }
    while (this.#sweep.length > 0 && this.#waiting.length < constants.waitingRuns) {
      // What became dirty before the cursor's next block belongs to the next sweep, what lies behind it to this one.
      const from = this.#sweep[0] as number;
      const run = this.#runAt(from);
      this.#send(run);
      const end = (run.at(-1) as number) + 1;
      this.#sweep = [...this.#dirty].filter((block) => block >= end).toSorted((a, b) => a - b);
    }
  }

  #runAt(from: number): number[] {
    const run = [from];
    while (run.length < MAXIMUM_RUN_BLOCKS && this.#dirty.has(from + run.length)) run.push(from + run.length);
    return run;
  }

  #send(run: readonly number[]): void {
    for (const block of run) this.#dirty.delete(block);
    const { compressionRatio, constants } = this.#options;
    this.#waiting.push(run.length * BLOCK_BYTES * compressionRatio * constants.wireOverhead);
  }

  #sendAll(): void {
    for (const block of [...this.#dirty].toSorted((a, b) => a - b)) {
      if (this.#dirty.has(block)) this.#send(this.#runAt(block));
    }
    this.#sweep = [];
  }

  /** Drain, a window that is void, drain, a window in a freeze, commit. */
  #attempt(): void {
    const { windowSeconds, freezeSeconds } = this.#options.constants;
    this.#onceDrained((drainedAt) => {
      this.#onceAfter(drainedAt + windowSeconds, () => {
        this.#sendAll();
        this.#onceDrained((at) =>
          this.#onceAfter(at + windowSeconds + freezeSeconds, (instant) => this.#commit(instant)),
        );
      });
    });
  }

  #onceDrained(then: (now: number) => void): void {
    this.#waitsFor = (now) => {
      if (this.#waiting.length === 0) then(now);
    };
  }

  #onceAfter(seconds: number, then: (now: number) => void): void {
    this.#waitsFor = (now) => {
      if (now >= seconds) then(now);
    };
  }

  #commit(instantSeconds: number): void {
    const { commitSeconds, reportSeconds } = this.#options.constants;
    this.#sendAll();
    this.#waitsFor = (arrivedAt) => {
      if (this.#waiting.length > 0 || this.#kernelBytes > 0) return;
      this.#onceAfter(arrivedAt + commitSeconds, (now) => {
        this.points.push({ instantSeconds, committedSeconds: now + reportSeconds });
        this.#attemptedAt = now;
        this.#waitsFor = null;
      });
    };
  }
}
