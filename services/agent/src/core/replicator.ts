/**
 * The agent's core: one owner loop that keeps a session to the replication server and decides what is sent next.
 *
 *     connect ──► hello ──► ┌─► point due and little dirty? attempt it
 *        ▲                  │   something dirty?            copy the next run        (initial sync, continuous)
 *        │ back-off         │   something suspect?          compare the next run     (rescan)
 *        └── failure ◄──────┴── nothing?                    wait for the next poll
 *
 * Situation: writes never stop, connections and servers do. Mechanism: the loop works on sets (`disk-map.ts`), so that
 * initial sync, continuous replication and rescan are one and the same; tracking runs beside it (`tracking.ts`).
 * Special cases: while little changes, a sweep over the disks begins at most once a second, so that a block that is
 * rewritten all the time is read once a second and not twenty times. Dirty and suspect runs take turns.
 * Failure: a session's end makes everything unacknowledged dirty again (R18); only `run`'s signal ends the loop.
 */
import { createCompressionChoice, failureReason, type CompressionChoice } from '@lms/block-stream';
import { LmsError, toLmsError } from '@lms/errors';
import type { BufferPool, Clock, Connect, Freezer, RuntimeMemory, SourceDisk } from './ports.ts';
import { PointMaker } from './points.ts';
import { ScanProgress } from './scan-progress.ts';
import { Session } from './session.ts';
import { describe, type SituationFacts } from './situation.ts';
import {
  DEFAULT_SETTINGS,
  newCounters,
  type PointOutcome,
  type PointRequest,
  type ReplicationCounters,
  type ReplicationSettings,
  type ReplicationStatus,
  type ReplicatorObserver,
  type SessionFailure,
} from './status.ts';
import { Tracking, type OpenTrace } from './tracking.ts';

/** A new sweep begins at once when more than this is dirty (64 MiB), else once in `SWEEP_INTERVAL_MILLISECONDS`. */
const BACKLOG_BLOCKS = 1024;
const SWEEP_INTERVAL_MILLISECONDS = 1000;
const IDLE_MILLISECONDS = 20;
const FIRST_RETRY_MILLISECONDS = 500;
const LAST_RETRY_MILLISECONDS = 30_000;

export interface ReplicatorOptions {
  /** At least one; the order is the order of disk indexes. */
  readonly disks: readonly SourceDisk[];
  readonly openTrace: OpenTrace;
  readonly freezer: Freezer;
  readonly clock: Clock;
  readonly memory: RuntimeMemory;
  readonly pool: BufferPool;
  readonly connect: Connect;
  readonly settings?: ReplicationSettings;
  readonly bootId: string;
  readonly agentVersion: string;
  /** A new unique id at each call. */
  readonly newIdentifier: () => string;
  readonly observer: ReplicatorObserver;
}

export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #tracking: Tracking;
  readonly #points: PointMaker;
  readonly #counters: ReplicationCounters = newCounters();
  readonly #compression: CompressionChoice;
  readonly #progress: ScanProgress;
  #settings: ReplicationSettings;
  #session: Session | null = null;
  #everConnected = false;
  #failure: LmsError | null = null;
  #lastFailure: SessionFailure | null = null;
  #failedAfterSessions = 0;
  #paused = false;
  #attempting = false;
  #stopped = false;
  #sweep: { readonly startedAtMilliseconds: number; diskIndex: number; block: number; ended: boolean } | null = null;
  #suspectTurn = false;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#settings = options.settings ?? DEFAULT_SETTINGS;
    this.#compression = createCompressionChoice(this.#settings.compression);
    const { disks, openTrace, clock, memory, bootId, newIdentifier, observer, freezer, pool } = options;
    const counters = this.#counters;
    this.#tracking = new Tracking({
      sources: disks,
      openTrace,
      clock,
      memory,
      bootId,
      newIdentifier,
      counters,
      observer,
    });
    this.#progress = new ScanProgress(this.#tracking, counters, clock, observer);
    this.#points = new PointMaker({
      tracking: this.#tracking,
      freezer,
      clock,
      pool,
      counters,
      observer,
      newIdentifier,
      settings: () => this.#settings,
    });
  }

  /** Replicates until the signal aborts; then the map is saved, and the kernel goes on recording. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const tracking = this.#tracking.run(signal);
    const expiring = this.#expireRequests(signal);
    try {
      await this.#keepSession(signal);
    } finally {
      await tracking;
      await expiring;
      await this.#tracking.close();
      this.#stopped = true;
      this.#points.failAll('UNAVAILABLE', 'the agent is stopping');
    }
  }

  /** Resolves when the point is durable, or can't be had in time; never rejects. The same `requestId` again finds its point. */
  createPoint(request: PointRequest): Promise<PointOutcome> {
    if (this.#paused) {
      const message = 'replication is paused; resume it, then create the point';
      return Promise.resolve({ state: 'failed', code: 'FAILED_PRECONDITION', message });
    }
    return this.#points.request(request);
  }

  /** Stops sending; changes go on being tracked. */
  pause(): void {
    this.#paused = true;
    this.#points.failAll('FAILED_PRECONDITION', 'replication was paused');
    this.#session?.close(new LmsError('CANCELLED', 'replication is paused'));
  }

  resume(): void {
    this.#paused = false;
  }

  /** Compares everything with the replica. */
  rescan(): void {
    this.#tracking.suspectAll();
  }

  updateSettings(settings: ReplicationSettings): void {
    if (settings.freezing && !this.#settings.freezing) this.#points.forgetFreezeFailures();
    this.#settings = settings;
    this.#compression.setMode(settings.compression);
  }

  status(): ReplicationStatus {
    return describe(this.#facts());
  }

  async #keepSession(signal: AbortSignal): Promise<void> {
    const { clock, observer } = this.#options;
    let retryMilliseconds = FIRST_RETRY_MILLISECONDS;
    while (!signal.aborted) {
      if (this.#paused || this.#tracking.unusable !== null) {
        await clock.sleep(IDLE_MILLISECONDS, signal).catch(() => undefined);
        continue;
      }
      const connectedBefore = this.#counters.sessions;
      try {
        await this.#runSession(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failure = toLmsError(error);
        if (this.#paused) continue;
        this.#rememberFailure(this.#failure);
        observer.log('warn', `replication was interrupted: ${this.#failure.message}`, { code: this.#failure.code });
      }
      // Two agents of one identity must not throw each other out twice a second: FENCED waits longer each time.
      const worked = this.#counters.sessions > connectedBefore && this.#failure?.code !== 'FENCED';
      if (worked) retryMilliseconds = FIRST_RETRY_MILLISECONDS;
      await clock.sleep(retryMilliseconds, signal).catch(() => undefined);
      retryMilliseconds = Math.min(retryMilliseconds * 2, LAST_RETRY_MILLISECONDS);
    }
  }

  #rememberFailure(error: LmsError): void {
    const atMicroseconds = this.#options.clock.wallMicroseconds();
    const before = this.#lastFailure;
    const { sessions } = this.#counters;
    const again =
      before !== null && sessions === this.#failedAfterSessions && failureReason(before.error) === failureReason(error);
    this.#failedAfterSessions = sessions;
    this.#lastFailure = {
      error,
      atMicroseconds,
      sinceMicroseconds: again ? before.sinceMicroseconds : atMicroseconds,
      count: again ? before.count + 1 : 1,
    };
  }

  async #runSession(signal: AbortSignal): Promise<void> {
    const { connect, clock, pool, bootId, agentVersion } = this.#options;
    const connection = await connect(signal);
    const session = new Session({
      connection,
      tracking: this.#tracking,
      pool,
      clock,
      compression: this.#compression,
      counters: this.#counters,
      bootId,
      agentVersion,
    });
    const stop = (): void => session.close(new LmsError('CANCELLED', 'the agent is stopping'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      this.#points.settle(await session.open());
      this.#session = session;
      this.#everConnected = true;
      this.#failure = null;
      this.#counters.sessions++;
      this.#progress.sessionBegan();
      await this.#replicate(session);
    } catch (error) {
      session.close(toLmsError(error));
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#session = null;
      this.#sweep = null;
      await session.settled();
      for (const { map } of this.#tracking.disks) map.restoreUnacknowledged();
      this.#points.sessionEnded();
    }
  }

  async #replicate(session: Session): Promise<never> {
    let idle = false;
    for (;;) {
      session.maintain(idle);
      this.#endInitialSync();
      this.#progress.update();
      if (this.#mayAttempt()) await this.#attempt(session);
      else {
        idle = !(await this.#copyNext(session));
        if (idle) await this.#options.clock.sleep(IDLE_MILLISECONDS, session.signal);
      }
    }
  }

  #mayAttempt(): boolean {
    if (this.#tracking.unusable !== null || this.#tracking.state.initialSync.size > 0) return false;
    return (
      !this.#anySuspect() &&
      this.#dirtyBlocks() <= BACKLOG_BLOCKS &&
      this.#points.due() &&
      this.#tracking.tracker.mayOpenWindow
    );
  }

  async #attempt(session: Session): Promise<void> {
    this.#attempting = true;
    try {
      await this.#tracking.tracker.settleStart(session.signal);
      if (this.#anySuspect()) return;
      await this.#points.attempt(session, () => this.#sweepOnce(session), session.signal);
    } catch (error) {
      // Tracking that was lost meanwhile voids the attempt and not the session: what was sent is as good as before.
      if (toLmsError(error).code !== 'DATA_LOSS') throw error;
    } finally {
      this.#attempting = false;
    }
  }

  /** Puts the next run on its way; false when there is nothing to do now. */
  async #copyNext(session: Session): Promise<boolean> {
    this.#suspectTurn = !this.#suspectTurn;
    if (this.#suspectTurn && (await this.#compareNext(session))) return true;
    if (this.#sweepDue() && (await this.#sweepNext(session))) return true;
    return !this.#suspectTurn && (await this.#compareNext(session));
  }

  async #compareNext(session: Session): Promise<boolean> {
    for (const diskIndex of this.#tracking.disks.keys()) if (await session.pushSuspect(diskIndex)) return true;
    return false;
  }

  #sweepDue(): boolean {
    const dirty = this.#dirtyBlocks();
    if (dirty === 0) return false;
    const now = this.#options.clock.monotonicMilliseconds();
    if (this.#sweep !== null && !this.#sweep.ended) return true;
    const since = this.#sweep === null ? Infinity : now - this.#sweep.startedAtMilliseconds;
    if (dirty <= BACKLOG_BLOCKS && since < SWEEP_INTERVAL_MILLISECONDS) return false;
    this.#sweep = { startedAtMilliseconds: now, diskIndex: 0, block: 0, ended: false };
    return true;
  }

  /** One run further in the sweep; false when the sweep is at its end. */
  async #sweepNext(session: Session): Promise<boolean> {
    const sweep = this.#sweep;
    if (sweep === null) return false;
    while (sweep.diskIndex < this.#tracking.disks.length) {
      const pushed = await session.pushDirty(sweep.diskIndex, sweep.block);
      if (pushed !== null) {
        sweep.block = pushed.nextBlock;
        return true;
      }
      sweep.diskIndex++;
      sweep.block = 0;
    }
    sweep.ended = true;
    return false;
  }

  /** Everything that is dirty now, before a window. */
  async #sweepOnce(session: Session): Promise<void> {
    this.#sweep = {
      startedAtMilliseconds: this.#options.clock.monotonicMilliseconds(),
      diskIndex: 0,
      block: 0,
      ended: false,
    };
    while (await this.#sweepNext(session)) session.maintain(false);
    await session.drain();
  }

  #endInitialSync(): void {
    const { state } = this.#tracking;
    if (state.initialSync.size === 0) return;
    const dirty = this.#dirtyBlocks();
    if (dirty > BACKLOG_BLOCKS || this.#anySuspect()) return;
    if (dirty > 0 && this.#sweep?.ended !== true) return;
    state.initialSync.clear();
    this.#tracking.save();
  }

  #anySuspect(): boolean {
    return this.#tracking.disks.some(({ map }) => map.suspect.count > 0);
  }

  #dirtyBlocks(): number {
    return this.#tracking.disks.reduce((sum, { map }) => sum + map.dirty.count, 0);
  }

  async #expireRequests(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#points.expire(this.#session === null ? (this.#failure?.message ?? 'no replication server yet') : null);
      await this.#options.clock.sleep(IDLE_MILLISECONDS * 5, signal).catch(() => undefined);
    }
  }

  #facts(): SituationFacts {
    return {
      stopped: this.#stopped,
      paused: this.#paused,
      connected: this.#session !== null,
      everConnected: this.#everConnected,
      failure: this.#failure,
      lastFailure: this.#lastFailure,
      attempting: this.#attempting,
      backlogBlocksLimit: BACKLOG_BLOCKS,
      tracking: this.#tracking,
      points: this.#points,
      settings: this.#settings,
      counters: this.#counters,
      nowMilliseconds: this.#options.clock.monotonicMilliseconds(),
    };
  }
}
