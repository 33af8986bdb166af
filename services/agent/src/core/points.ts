/**
 * Decides when to attempt a point in time, attempts it, and answers who asked for one.
 *
 * Situation: the machine is seldom still, and a freeze costs its writers a pause. Mechanism: every `pointIntervalSeconds`
 * (or at once when somebody asks) copy until little is dirty, try the quiet window, and where that fails and a freeze is
 * due, flush, copy again, freeze. An attempt counts only for requests that were there when it began.
 * Special cases: `filesystem` asked while something is mounted goes to the freeze at once; a freeze that failed is tried
 * again after a rest, asked for or not, then at the interval; three failed freezes in a row
 * switch freezing off until the agent is told otherwise; a checkpoint that was sent before the connection broke is
 * settled by the next hello's answer (R18).
 * Failure: a void attempt costs nothing but its time; requests fail when their time is over, naming the busy disk.
 */
import { MAXIMUM_BLOCKS_PER_WRITE, type HelloAnswerFrame, type PointConsistency } from '@lms/block-stream';
import { LmsError, type ErrorCode } from '@lms/errors';
import type { SourceDisk } from './ports.ts';
import type { Session } from './session.ts';
import type {
  PointOutcome,
  PointRequest,
  PointTrace,
  ReplicationCounters,
  ReplicationSettings,
  ReplicatorObserver,
} from './status.ts';
import type { Tracking } from './tracking.ts';
import {
  tryFrozenWindow,
  tryQuietWindow,
  type ProvenWindow,
  type VoidWindow,
  type WindowAttempt,
  type WindowParts,
} from './window.ts';

/** Copying until what is dirty fills at most this share of the pool; the rest is for what comes until the window opens. */
const WINDOW_SHARE = 0.75;
const COPY_ROUNDS = 8;
const FREEZE_FAILURES_UNTIL_OFF = 3;
/** Between attempts while somebody waits. */
const RETRY_MILLISECONDS = 100;
/** What made a freeze fail, such as a busy processor, is seldom over at once; and each try may cost the writers a pause. */
const REST_AFTER_FAILED_FREEZE_MILLISECONDS = 5_000;

export interface PointParts extends Omit<WindowParts, 'tracker' | 'disks'> {
  readonly tracking: Tracking;
  readonly counters: ReplicationCounters;
  readonly observer: ReplicatorObserver;
  readonly newIdentifier: () => string;
  readonly settings: () => ReplicationSettings;
}

interface OpenRequest extends PointRequest {
  readonly deadlineMilliseconds: number;
  resolve(outcome: PointOutcome): void;
}

export interface MadePoint {
  readonly sequence: number;
  readonly consistency: PointConsistency;
  readonly instantMicroseconds: number;
}

/** Copies everything that is dirty now, once; resolves when it is with the kernel. */
export type CopyOnce = () => Promise<void>;

export class PointMaker {
  readonly #parts: PointParts;
  #requests: OpenRequest[] = [];
  #inDoubt: {
    readonly checkpointId: string;
    readonly window: ProvenWindow;
    readonly requests: readonly OpenRequest[];
  } | null = null;
  #attemptedAtMilliseconds: number | null = null;
  #frozenAtMilliseconds: number | null = null;
  #freezeFailedAtMilliseconds = -Infinity;
  #lastVoid: VoidWindow | null = null;
  #lastPoint: MadePoint | null = null;
  /** Since when attempts have failed without one that succeeded; null when the last succeeded or none was made. */
  #failingSinceMilliseconds: number | null = null;

  constructor(parts: PointParts) {
    this.#parts = parts;
  }

  get lastPoint(): MadePoint | null {
    return this.#lastPoint;
  }

  /** The disk that kept points from being made, and since when. */
  get obstacle(): {
    readonly sinceMilliseconds: number;
    readonly reason: string;
    readonly disk: SourceDisk | null;
  } | null {
    if (this.#failingSinceMilliseconds === null || this.#lastVoid === null) return null;
    return {
      sinceMilliseconds: this.#failingSinceMilliseconds,
      reason: this.#lastVoid.reason,
      disk: this.#lastVoid.busyDisk,
    };
  }

  get freezing(): 'on' | 'off' | 'off-after-failures' {
    if (!this.#parts.settings().freezing) return 'off';
    return this.#parts.tracking.state.freezeFailures >= FREEZE_FAILURES_UNTIL_OFF ? 'off-after-failures' : 'on';
  }

  /** Freezing was switched on again by somebody: earlier failures count no more. */
  forgetFreezeFailures(): void {
    this.#parts.tracking.state.freezeFailures = 0;
    this.#freezeFailedAtMilliseconds = -Infinity;
  }

  /** Resolves when the point is durable at the server, or can't be had; never rejects. */
  request(request: PointRequest): Promise<PointOutcome> {
    const last = this.#parts.tracking.state.checkpoint;
    if (last !== null && last.requestId === request.requestId && request.requestId !== '' && last.sequence !== null) {
      const consistency = this.#lastPoint?.consistency ?? request.consistency;
      return Promise.resolve({ state: 'succeeded', sequence: last.sequence, consistency });
    }
    const deadlineMilliseconds = this.#parts.clock.monotonicMilliseconds() + request.timeoutMilliseconds;
    return new Promise((resolve) => {
      this.#requests.push({ ...request, deadlineMilliseconds, resolve });
    });
  }

  /** Fails the requests whose time is over; to be called now and then, connected or not. `obstacle`: why there is no attempt. */
  expire(obstacle: string | null): void {
    const now = this.#parts.clock.monotonicMilliseconds();
    const expired = this.#requests.filter((request) => request.deadlineMilliseconds <= now);
    this.#requests = this.#requests.filter((request) => request.deadlineMilliseconds > now);
    const why = obstacle ?? this.#lastVoid?.reason ?? 'no attempt was possible yet';
    for (const request of expired) fail(request, 'DEADLINE_EXCEEDED', `no point in time before the time-out: ${why}`);
    for (const request of this.#inDoubt?.requests ?? []) {
      if (request.deadlineMilliseconds > now) continue;
      fail(request, 'DEADLINE_EXCEEDED', 'the point was sent, and its commit was not confirmed before the time-out');
    }
  }

  failAll(code: ErrorCode, message: string): void {
    for (const request of this.#requests) fail(request, code, message);
    this.#requests = [];
  }

  /** Whether an attempt should be made now. */
  due(): boolean {
    const now = this.#parts.clock.monotonicMilliseconds();
    const since = this.#attemptedAtMilliseconds === null ? Infinity : now - this.#attemptedAtMilliseconds;
    if (this.#requests.length > 0) return since >= RETRY_MILLISECONDS && !this.#restsAfterFailedFreeze();
    return since >= this.#parts.settings().pointIntervalSeconds * 1000;
  }

  /** What the server's memory says about a checkpoint whose acknowledgement never came (R18). */
  settle(answer: HelloAnswerFrame): void {
    const { state } = this.#parts.tracking;
    const open = state.checkpoint;
    if (open === null || open.sequence !== null) return;
    const doubt = this.#inDoubt;
    this.#inDoubt = null;
    if (answer.lastCheckpoint?.checkpointId !== open.checkpointId) {
      state.checkpoint = null;
      if (doubt !== null) this.#requests.push(...doubt.requests);
      return;
    }
    const { sequence } = answer.lastCheckpoint;
    state.checkpoint = { ...open, sequence };
    this.#answerRepeated(open.requestId, sequence);
    if (doubt !== null && doubt.checkpointId === open.checkpointId) this.#made(sequence, doubt.window, doubt.requests);
  }

  /** Requests that were asked again, by a manager that saw no answer, while their point was in doubt. */
  #answerRepeated(requestId: string, sequence: number): void {
    const repeated = this.#requests.filter((request) => request.requestId !== '' && request.requestId === requestId);
    this.#requests = this.#requests.filter((request) => !repeated.includes(request));
    for (const request of repeated) request.resolve({ state: 'succeeded', sequence, consistency: request.consistency });
  }

  /** One attempt; whatever was read is sent, a point or not. Rejects only when the session or the tracking failed. */
  async attempt(session: Session, copyOnce: CopyOnce, signal: AbortSignal): Promise<void> {
    const { observer } = this.#parts;
    this.#attemptedAtMilliseconds = this.#parts.clock.monotonicMilliseconds();
    const requests = [...this.#requests];
    const trace = observer.beginPoint(requests[0]?.traceparent ?? '');
    try {
      trace.phase('drain');
      const window = await this.#findWindow(session, copyOnce, requests, trace, signal);
      if (window === null) {
        trace.end(this.#lastVoid?.reason ?? 'no window');
        return;
      }
      await this.#commit(session, window, requests, trace);
      trace.end(null);
    } catch (error) {
      trace.end(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#attemptedAtMilliseconds = this.#parts.clock.monotonicMilliseconds();
    }
  }

  /**
   * Before each window the session is drained: a chunk that was taken earlier and is still being read could see what is
   * written after the window, and would go out before the checkpoint; and the window needs the chunks' buffers.
   */
  async #findWindow(
    session: Session,
    copyOnce: CopyOnce,
    requests: readonly OpenRequest[],
    trace: PointTrace,
    signal: AbortSignal,
  ): Promise<ProvenWindow | null> {
    const mounts = await this.#parts.freezer.countMounts();
    const freezeNeeded =
      mounts > 0 && requests.length > 0 && requests.every(({ consistency }) => consistency === 'filesystem');
    if (freezeNeeded && this.freezing !== 'on') {
      const why =
        this.freezing === 'off' ? 'freezing is switched off' : 'freezing is off after three failures in a row';
      this.#refuseFilesystem(why);
      return null;
    }
    if (!freezeNeeded) {
      await this.#copyUntilLittle(copyOnce);
      await session.drain();
      const quiet = await tryQuietWindow(this.#windowParts(), signal);
      if (this.#take(session, quiet)) return quiet;
    }
    if (!this.#mayFreeze(mounts, requests.length > 0)) return null;
    trace.phase('freeze');
    if (await this.#flushUntilLittle(copyOnce, signal)) {
      await session.drain();
      return this.#freeze(session, signal);
    }
    const disk = this.#parts.tracking.disks.find(({ map }) => map.dirty.count > 0)?.disk ?? null;
    const reason = `${disk?.device ?? 'a disk'} changes faster than it can be copied`;
    this.#noteVoid({ proven: false, chunks: [], reason, busyDisk: disk, pauseMicroseconds: 0 });
    return null;
  }

  async #freeze(session: Session, signal: AbortSignal): Promise<ProvenWindow | null> {
    const { observer, counters, tracking, clock } = this.#parts;
    this.#frozenAtMilliseconds = clock.monotonicMilliseconds();
    observer.frozen(true);
    let attempt: WindowAttempt;
    try {
      attempt = await tryFrozenWindow(this.#windowParts(), signal);
    } finally {
      observer.frozen(false);
    }
    if (attempt.pauseMicroseconds > 0) counters.lastPauseMicroseconds = attempt.pauseMicroseconds;
    tracking.state.freezeFailures = attempt.proven ? 0 : tracking.state.freezeFailures + 1;
    if (!attempt.proven) {
      this.#freezeFailedAtMilliseconds = clock.monotonicMilliseconds();
      const pauseMilliseconds = Math.round(attempt.pauseMicroseconds / 1000);
      observer.log('warn', `a freeze of ${pauseMilliseconds} ms made no point in time: ${attempt.reason}`);
    }
    if (this.freezing === 'off-after-failures') {
      observer.log('warn', `freezing is off after ${FREEZE_FAILURES_UNTIL_OFF} failures in a row`);
    }
    if (!this.#take(session, attempt)) return null;
    const { unfrozenMounts } = attempt;
    if (unfrozenMounts.length > 0) this.#refuseFilesystem(`${unfrozenMounts.join(', ')} cannot be frozen`);
    return attempt;
  }

  #take(session: Session, attempt: WindowAttempt): attempt is ProvenWindow {
    session.pushRead(attempt.chunks);
    if (attempt.proven) return true;
    this.#noteVoid(attempt);
    return false;
  }

  async #commit(
    session: Session,
    window: ProvenWindow,
    requests: readonly OpenRequest[],
    trace: PointTrace,
  ): Promise<void> {
    const met = requests.filter(({ consistency }) => consistency === 'crash' || window.consistency === 'filesystem');
    const checkpointId = this.#parts.newIdentifier();
    this.#requests = this.#requests.filter((request) => !met.includes(request));
    this.#inDoubt = { checkpointId, window, requests: met };
    trace.phase('send');
    await session.drain();
    trace.phase('commit');
    const sequence = await session.commit(window, checkpointId, met[0]?.requestId ?? '', trace.traceparent);
    this.#inDoubt = null;
    this.#made(sequence, window, met);
  }

  /** The session ended before the checkpoint was sent: nobody's request may be lost with it. */
  sessionEnded(): void {
    if (this.#inDoubt === null || this.#parts.tracking.state.checkpoint?.checkpointId === this.#inDoubt.checkpointId)
      return;
    this.#requests.push(...this.#inDoubt.requests);
    this.#inDoubt = null;
  }

  #made(sequence: number, window: ProvenWindow, requests: readonly OpenRequest[]): void {
    const { consistency, instantMicroseconds } = window;
    this.#lastPoint = { sequence, consistency, instantMicroseconds };
    this.#lastVoid = null;
    this.#failingSinceMilliseconds = null;
    this.#parts.counters.pointsCreated++;
    for (const request of requests) request.resolve({ state: 'succeeded', sequence, consistency });
  }

  #noteVoid(attempt: VoidWindow): void {
    this.#lastVoid = attempt;
    this.#failingSinceMilliseconds ??= this.#parts.clock.monotonicMilliseconds();
    this.#parts.counters.windowsVoid++;
    this.#parts.observer.log('debug', `no point in time: ${attempt.reason}`);
  }

  #mayFreeze(mounts: number, asked: boolean): boolean {
    if (mounts === 0 || this.freezing !== 'on' || this.#restsAfterFailedFreeze()) return false;
    // One failure is tried again before the interval is over: until then a busy machine might have no point at all.
    if (asked || this.#frozenAtMilliseconds === null || this.#parts.tracking.state.freezeFailures === 1) return true;
    const since = this.#parts.clock.monotonicMilliseconds() - this.#frozenAtMilliseconds;
    return since >= this.#parts.settings().freezeIntervalSeconds * 1000;
  }

  #restsAfterFailedFreeze(): boolean {
    if (this.freezing !== 'on') return false;
    const since = this.#parts.clock.monotonicMilliseconds() - this.#freezeFailedAtMilliseconds;
    const rest = Math.min(REST_AFTER_FAILED_FREEZE_MILLISECONDS, this.#parts.settings().freezeIntervalSeconds * 1000);
    return since < rest;
  }

  #refuseFilesystem(why: string): void {
    const refused = this.#requests.filter(({ consistency }) => consistency === 'filesystem');
    this.#requests = this.#requests.filter(({ consistency }) => consistency !== 'filesystem');
    const message = `${why}, so no file-system-consistent point is possible; a crash-consistent one is`;
    for (const request of refused) fail(request, 'FAILED_PRECONDITION', message);
  }

  async #copyUntilLittle(copyOnce: CopyOnce): Promise<void> {
    const { tracking } = this.#parts;
    for (let round = 0; round < COPY_ROUNDS; round++) {
      tracking.poll();
      if (this.#littleIsDirty()) return;
      await copyOnce();
    }
  }

  /**
   * Writes out what the file systems hold, until that is little: FIFREEZE does the same with writers waiting, and what it
   * writes must fit in the window. Ends right after a flush, so that the freeze finds next to nothing.
   */
  async #flushUntilLittle(copyOnce: CopyOnce, signal: AbortSignal): Promise<boolean> {
    for (let round = 0; round < COPY_ROUNDS; round++) {
      await this.#parts.freezer.flush(signal);
      this.#parts.tracking.poll();
      if (this.#littleIsDirty()) return true;
      await copyOnce();
    }
    return false;
  }

  #littleIsDirty(): boolean {
    const { tracking, pool } = this.#parts;
    const dirtyBlocks = tracking.disks.reduce((sum, { map }) => sum + map.dirty.count, 0);
    return dirtyBlocks <= pool.capacityBuffers * MAXIMUM_BLOCKS_PER_WRITE * WINDOW_SHARE;
  }

  #windowParts(): WindowParts {
    const { tracking, freezer, clock, pool } = this.#parts;
    return { tracker: tracking.tracker, disks: tracking.disks, freezer, clock, pool };
  }
}

function fail(request: OpenRequest, code: ErrorCode, message: string): void {
  request.resolve({ state: 'failed', code, message: new LmsError(code, message).message });
}
