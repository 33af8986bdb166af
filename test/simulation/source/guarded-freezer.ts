/**
 * The agent's end of freezing: asks the guardian, and thaws by itself when the guardian is gone (R16, R17).
 *
 * Agent and guardian watch each other through a pipe, whose end each notices a little after the other's death. The list
 * of what is frozen outlives both; the next agent thaws what is on it.
 */
import { LmsError } from '@lms/errors';
import type { Freezer, GuardianReport, ThawReport } from '../../../services/agent/src/core/index.ts';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Boot } from './boot.ts';
import type { MountedFileSystem } from './mounts.ts';
import { SimulatedGuardian } from './simulated-guardian.ts';

/** How soon a process notices that the other end of its pipe is closed. */
const NOTICE_MICROSECONDS = 2_000;
/** The guardian thaws at the limit; if it has not this much later, the agent does. */
const WATCHDOG_GRACE_MICROSECONDS = 250_000;

export interface FreezerWorld {
  readonly boot: Boot;
  readonly random: Random;
  readonly mounts: () => readonly MountedFileSystem[];
}

export class GuardedFreezer implements Freezer {
  readonly #world: FreezerWorld;
  readonly #process: SimulatedProcess;
  #guardian: SimulatedGuardian;
  #mounts: readonly MountedFileSystem[] | null = null;
  #ownThaw = false;
  #waiting: ((report: GuardianReport | null) => void) | null = null;
  #attempts = 0;

  constructor(world: FreezerWorld, process: SimulatedProcess) {
    this.#world = world;
    this.#process = process;
    this.#guardian = this.#startGuardian();
    for (const mount of world.mounts()) if (mount.frozenByUs) thawWhenFrozen(mount, world.boot);
    process.onDeath(() => {
      const guardian = this.#guardian;
      world.boot.after(NOTICE_MICROSECONDS, () => guardian.handle({ type: 'agentGone' }));
    });
  }

  /** From the call of freeze to the end of thaw. */
  get freezing(): boolean {
    return this.#mounts !== null;
  }

  killGuardian(): void {
    this.#guardian.kill();
    this.#world.boot.after(NOTICE_MICROSECONDS, () => {
      if (!this.#process.alive) return;
      if (this.#mounts !== null) this.#thawAlone();
      this.#answer(null);
    });
  }

  countMounts(): Promise<number> {
    return this.#process.call(
      'freezer.countMounts',
      this.#world.random.latency(200),
      () => this.#world.mounts().length,
    );
  }

  flush(signal: AbortSignal): Promise<void> {
    return this.#process.call('freezer.flush', 0, async () => {
      for (const mount of this.#world.mounts()) {
        signal.throwIfAborted();
        await mount.writeBack();
      }
    });
  }

  freeze(limitMilliseconds: number): Promise<readonly string[]> {
    return this.#process.call('freezer.freeze', this.#world.random.latency(100), async () => {
      if (this.#mounts !== null) throw new RangeError('freeze was called while frozen');
      if (!this.#guardian.alive) this.#guardian = this.#startGuardian();
      if (!this.#guardian.idle) throw new LmsError('UNAVAILABLE', 'the freeze guardian has not ended its last thaw');
      const attempt = ++this.#attempts;
      this.#ownThaw = false;
      const mounts = this.#world.mounts();
      this.#mounts = mounts;
      if (mounts.length === 0) return [];
      const report = this.#nextReport();
      this.#guardian.freeze(mounts, limitMilliseconds);
      const answer = await report;
      if (answer?.type === 'frozen') {
        this.#world.boot.after(limitMilliseconds * 1000 + WATCHDOG_GRACE_MICROSECONDS, () => this.#watch(attempt));
        return answer.unfreezable.map((mount) => mounts[mount]?.mountPoint ?? '');
      }
      if (answer === null) this.#thawAlone();
      this.#mounts = null;
      const reason = answer?.type === 'freezeFailed' ? answer.reason : 'the freeze guardian ended';
      throw new LmsError('FAILED_PRECONDITION', `could not freeze: ${reason}`);
    });
  }

  thaw(): Promise<ThawReport> {
    const began = this.#process.scheduler.nowMicroseconds;
    return this.#process.call('freezer.thaw', this.#world.random.latency(100), async () => {
      const mounts = this.#mounts;
      if (mounts === null) throw new RangeError('thaw was called while nothing is frozen');
      const mountedSince = this.#world.mounts().some((mount) => !mounts.includes(mount));
      let intact = mounts.length === 0;
      if (mounts.length > 0 && !this.#ownThaw && this.#guardian.alive) {
        const report = this.#nextReport();
        this.#guardian.handle({ type: 'thaw' });
        const answer = await report;
        intact = answer?.type === 'thawed' && answer.intact && !this.#ownThaw;
        if (answer === null) this.#thawAlone();
      } else if (mounts.length > 0) this.#thawAlone();
      this.#mounts = null;
      const frozenAt = Math.min(began, ...mounts.map(({ freezeCalledAtMicroseconds }) => freezeCalledAtMicroseconds));
      const pauseMicroseconds = mounts.length === 0 ? 0 : this.#process.scheduler.nowMicroseconds - frozenAt;
      return { pauseMicroseconds, intact: intact && !mountedSince };
    });
  }

  #startGuardian(): SimulatedGuardian {
    const guardian: SimulatedGuardian = new SimulatedGuardian(this.#world.boot, (report) => {
      this.#world.boot.after(this.#world.random.below(50), () => {
        if (guardian === this.#guardian && guardian.alive) this.#answer(report);
      });
    });
    return guardian;
  }

  #nextReport(): Promise<GuardianReport | null> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #answer(report: GuardianReport | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(report);
  }

  #watch(attempt: number): void {
    if (this.#process.alive && this.#mounts !== null && attempt === this.#attempts) this.#thawAlone();
  }

  #thawAlone(): void {
    this.#ownThaw = true;
    for (const mount of this.#mounts ?? []) if (mount.frozenByUs) thawWhenFrozen(mount, this.#world.boot);
  }
}

/** FIFREEZE cannot be undone before it returned. */
function thawWhenFrozen(mount: MountedFileSystem, boot: Boot): void {
  if (!mount.frozenByUs) return;
  if (mount.state === 'frozen') mount.thaw();
  else boot.after(1_000, () => thawWhenFrozen(mount, boot));
}
