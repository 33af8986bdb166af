/**
 * The agent's owner loop as arithmetic: which points a machine gets, and when, from how it writes and what carries it.
 *
 * Situation: lag is not backlog over bandwidth. A point needs everything dirty to be sent, then a window, then the window's
 * blocks to arrive; meanwhile the machine writes on, and what it rewrites is sent again. Mechanism: the loop of
 * `services/agent/src/core/replicator.ts` in steps of 20 ms on amounts instead of blocks:
 *
 *     between ──due, little dirty──► copy ──► drain ──► window ──► commit ──► between
 *        └── sweeps, at most one a second          (void: what was read is sent, and the next attempt is an interval later)
 *
 * A sweep is a cursor from 0 to 1 over the places of the disk; `CursorHistory` says which rewritten blocks are dirty anew.
 * Special cases: without a freeze a window succeeds only while nobody writes, by the measured share of still moments, spread
 * evenly (no dice: the same input gives the same answer). Downside: places are taken for evenly spread.
 */
import { MODEL_CONSTANTS, type ModelConstants } from './constants.ts';
import { CursorHistory } from './cursor-history.ts';
import { AGE_STEPS_TICKS } from './age-steps.ts';
import type { CommittedPoint } from './lag.ts';
import { LOOK_INTERVAL_SECONDS, NEVER, durationSeconds, type WriteSeries, type WriteTick } from './write-series.ts';

const STEP_SECONDS = 0.02;
/** Less than a block is nothing. */
const NOTHING_BLOCKS = 0.5;
const COPY_ROUNDS = 8;

export interface ReplicationScenario {
  readonly series: WriteSeries;
  /** Compressed size by raw size of what is written, as the product compresses. */
  readonly compressionRatio: number;
  /** Mean length of the runs in which dirty blocks lie, in blocks, 1 to 16. */
  readonly runBlocks: number;
  readonly linkBitsPerSecond: number;
  readonly pointIntervalSeconds: number;
  readonly freezeIntervalSeconds: number;
  /** File systems are mounted, and freezing is on. */
  readonly mayFreeze: boolean;
  /** The series is gone through again until this is over. Default: its own duration. */
  readonly modelledSeconds?: number;
  readonly constants?: ModelConstants;
}

export interface ModelledReplication {
  readonly points: readonly CommittedPoint[];
  readonly modelledSeconds: number;
  /** At the end: not yet sent, as raw bytes. */
  readonly backlogBytes: number;
  readonly wireBytes: number;
}

export function modelReplication(scenario: ReplicationScenario): ModelledReplication {
  const modelledSeconds = scenario.modelledSeconds ?? durationSeconds(scenario.series);
  const loop = new OwnerLoop(scenario);
  for (let step = 0; step * STEP_SECONDS < modelledSeconds; step++) loop.step();
  return {
    points: loop.points,
    modelledSeconds,
    backlogBytes: loop.dirtyBlocks * scenario.series.blockSizeBytes,
    wireBytes: loop.wireBytes,
  };
}

type Phase =
  | { readonly name: 'between' }
  | { readonly name: 'copy'; readonly round: number; readonly freeze: boolean }
  | { readonly name: 'drain'; readonly freeze: boolean }
  | { readonly name: 'window'; readonly freeze: boolean; readonly endsAt: number }
  | { readonly name: 'commit'; readonly instantSeconds: number; readonly arrivedAt: number | null };

class OwnerLoop {
  readonly points: CommittedPoint[] = [];
  wireBytes = 0;
  readonly #scenario: ReplicationScenario;
  readonly #constants: ModelConstants;
  readonly #history = new CursorHistory(STEP_SECONDS);
  readonly #wireBytesPerBlock: number;
  readonly #linkBytesPerSecond: number;
  readonly #pipeLimitBytes: number;
  #phase: Phase = { name: 'between' };
  #now = 0;
  /** Dirty before and behind the running sweep's cursor. */
  #ahead = 0;
  #behind = 0;
  /** 0 to 1; 1: no sweep runs. */
  #cursor = 1;
  /** Way of the cursor in this step. */
  #advanced = 0;
  #sweepBeganAt = -Infinity;
  /** Taken, and not yet through the link. */
  #pipeBytes = 0;
  #attemptedAt = -Infinity;
  #frozenAt = -Infinity;
  /** Windows that should have succeeded and have not yet; half of one to begin with. */
  #stillCredit = 0.5;

  constructor(scenario: ReplicationScenario) {
    this.#scenario = scenario;
    this.#constants = scenario.constants ?? MODEL_CONSTANTS;
    const { compressionRatio, linkBitsPerSecond, runBlocks, series } = scenario;
    const { wireOverhead, waitingRuns, kernelBufferBytes } = this.#constants;
    this.#wireBytesPerBlock = series.blockSizeBytes * compressionRatio * wireOverhead;
    this.#linkBytesPerSecond = linkBitsPerSecond / 8;
    this.#pipeLimitBytes = waitingRuns * runBlocks * this.#wireBytesPerBlock + kernelBufferBytes;
  }

  get dirtyBlocks(): number {
    return this.#ahead + this.#behind;
  }

  step(): void {
    this.#write();
    const sent = Math.min(this.#pipeBytes, this.#linkBytesPerSecond * STEP_SECONDS);
    this.#pipeBytes -= sent;
    this.wireBytes += sent;
    this.#now += STEP_SECONDS;
    this.#decide();
  }

  #write(): void {
    const tick = this.#tick();
    let blocks = 0;
    for (const [step, touched] of tick.blocksByAge.entries()) {
      if (touched === 0) continue;
      blocks += touched * (step === NEVER ? 1 : this.#history.shareTakenSince(this.#ageSeconds(step)));
    }
    const fresh = (blocks * STEP_SECONDS) / this.#scenario.series.tickSeconds;
    this.#ahead += fresh * (1 - this.#cursor);
    this.#behind += fresh * this.#cursor;
  }

  #decide(): void {
    const phase = this.#phase;
    switch (phase.name) {
      case 'between':
        if (this.#pointIsDue()) this.#phase = { name: 'copy', round: 0, freeze: false };
        else this.#sweep();
        break;
      case 'copy':
        this.#copy(phase);
        break;
      case 'drain':
        if (this.#isDrained()) {
          const { windowSeconds, freezeSeconds } = this.#constants;
          const endsAt = this.#now + windowSeconds + (phase.freeze ? freezeSeconds : 0);
          this.#phase = { name: 'window', freeze: phase.freeze, endsAt };
        }
        break;
      case 'window':
        if (this.#now >= phase.endsAt) this.#endWindow(phase.freeze);
        break;
      case 'commit':
        this.#commit(phase);
        break;
    }
    this.#history.record(this.#history.position + this.#advanced);
    this.#advanced = 0;
  }

  #pointIsDue(): boolean {
    const { pointIntervalSeconds } = this.#scenario;
    return this.#now - this.#attemptedAt >= pointIntervalSeconds && this.dirtyBlocks <= this.#constants.backlogBlocks;
  }

  #sweep(): void {
    if (this.#cursor >= 1) {
      if (this.dirtyBlocks < NOTHING_BLOCKS) return;
      const rests = this.#now - this.#sweepBeganAt < this.#constants.sweepIntervalSeconds;
      if (rests && this.dirtyBlocks <= this.#constants.backlogBlocks) return;
      this.#beginSweep();
    }
    this.#moveCursor();
  }

  #beginSweep(): void {
    this.#sweepBeganAt = this.#now;
    this.#ahead += this.#behind;
    this.#behind = 0;
    this.#cursor = 0;
  }

  /** As far as the pipe has room. */
  #moveCursor(): void {
    const room = Math.max(0, this.#pipeLimitBytes - this.#pipeBytes) / this.#wireBytesPerBlock;
    if (this.#ahead - room < NOTHING_BLOCKS) {
      this.#take(this.#ahead);
      this.#ahead = 0;
      this.#advanced += 1 - this.#cursor;
      this.#cursor = 1;
      return;
    }
    const way = (room / this.#ahead) * (1 - this.#cursor);
    this.#take(room);
    this.#ahead -= room;
    this.#cursor += way;
    this.#advanced += way;
  }

  #take(blocks: number): void {
    this.#pipeBytes += blocks * this.#wireBytesPerBlock;
  }

  #isDrained(): boolean {
    return this.#pipeBytes <= this.#constants.kernelBufferBytes;
  }

  /** Whole sweeps until what is left fits in a window. */
  #copy({ round, freeze }: Extract<Phase, { name: 'copy' }>): void {
    if (this.#cursor < 1) {
      this.#moveCursor();
      return;
    }
    if (round > 0 && !this.#isDrained()) return;
    if (this.dirtyBlocks <= this.#constants.windowBlocks) this.#phase = { name: 'drain', freeze };
    else if (round === COPY_ROUNDS) this.#endAttempt();
    else {
      this.#beginSweep();
      this.#phase = { name: 'copy', round: round + 1, freeze };
    }
  }

  #endWindow(frozen: boolean): void {
    const looks = this.#constants.windowSeconds / LOOK_INTERVAL_SECONDS;
    if (!frozen) this.#stillCredit += this.#tick().stillShare ** looks;
    const still = frozen || this.#stillCredit >= 1;
    if (!frozen && still) this.#stillCredit -= 1;
    // What the window read goes out, a point or not.
    this.#take(this.dirtyBlocks);
    this.#ahead = 0;
    this.#behind = 0;
    this.#advanced += 1;
    this.#cursor = 1;
    if (still) this.#phase = { name: 'commit', instantSeconds: this.#now, arrivedAt: null };
    else if (this.#mayFreezeNow()) {
      this.#frozenAt = this.#now;
      this.#phase = { name: 'copy', round: 0, freeze: true };
    } else this.#endAttempt();
  }

  #mayFreezeNow(): boolean {
    const { mayFreeze, freezeIntervalSeconds } = this.#scenario;
    return mayFreeze && this.#now - this.#frozenAt >= freezeIntervalSeconds;
  }

  /** Nothing else is sent until the point is durable. */
  #commit({ instantSeconds, arrivedAt }: Extract<Phase, { name: 'commit' }>): void {
    if (arrivedAt === null) {
      if (this.#pipeBytes === 0) this.#phase = { name: 'commit', instantSeconds, arrivedAt: this.#now };
      return;
    }
    if (this.#now - arrivedAt < this.#constants.commitSeconds) return;
    this.points.push({ instantSeconds, committedSeconds: this.#now + this.#constants.reportSeconds });
    this.#endAttempt();
  }

  #endAttempt(): void {
    this.#attemptedAt = this.#now;
    this.#phase = { name: 'between' };
  }

  #tick(): WriteTick {
    const { ticks, tickSeconds } = this.#scenario.series;
    return ticks[Math.floor(this.#now / tickSeconds + 1e-9) % ticks.length] as WriteTick;
  }

  #ageSeconds(step: number): number {
    return (AGE_STEPS_TICKS[step] as number) * this.#scenario.series.tickSeconds;
  }
}
