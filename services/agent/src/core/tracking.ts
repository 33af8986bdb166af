/**
 * Keeps one change tracker alive, and the saved map true to it.
 *
 * Situation: tracking can be lost at any time (R4), and so can this process. Mechanism: `poll` runs every
 * `POLL_INTERVAL_MILLISECONDS`; each poll ends with a save. A loss voids the saved map at once, and `run` makes a new
 * instance in the order of R5: filter and enable, prove that events arrive, only then mark everything suspect.
 * Special case: a process that finds the map of its predecessor goes on with it when the kernel's instance is still
 * there and its figures match.
 * Failure: while no tracker can be had, `unusable` says why; nothing is called a point meanwhile.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { ChangeTracker, type TrackedDisk } from './change-tracker.ts';
import { DiskMap } from './disk-map.ts';
import type { Clock, RuntimeMemory, SourceDisk, TraceInstance } from './ports.ts';
import { SavedMap, type CheckpointRecord, type MapHeader } from './saved-map.ts';
import type { ReplicationCounters, ReplicatorObserver } from './status.ts';

/** 4 MiB of ring for each processor last four times as long at 200,000 events a second. */
const POLL_INTERVAL_MILLISECONDS = 50;
const INSPECT_INTERVAL_MILLISECONDS = 1000;
const RETRY_MILLISECONDS = 2000;

/** `fresh`: an instance that is there is removed, and made anew. `adopt`: it is taken as it is, if it is there. */
export type OpenTrace = (mode: 'adopt' | 'fresh') => Promise<TraceInstance>;

export interface TrackingParts {
  readonly sources: readonly SourceDisk[];
  readonly openTrace: OpenTrace;
  readonly clock: Clock;
  readonly memory: RuntimeMemory;
  readonly bootId: string;
  readonly newIdentifier: () => string;
  readonly counters: ReplicationCounters;
  readonly observer: ReplicatorObserver;
}

/** What belongs to the map and is saved with it. */
export interface MapState {
  mapEpoch: string;
  nextMarkId: number;
  acknowledgedMark: number;
  checkpoint: CheckpointRecord | null;
  freezeFailures: number;
  readonly initialSync: Set<string>;
}

export class Tracking {
  readonly state: MapState;
  readonly #parts: TrackingParts;
  readonly #saved: SavedMap;
  #disks: readonly TrackedDisk[];
  #trace: TraceInstance | null = null;
  #tracker: ChangeTracker | null = null;
  #unusable: string | null = 'tracking has not started';
  #suspicions = 0;
  #started = false;
  #startFailed = false;
  #startedAtMilliseconds = 0;

  constructor(parts: TrackingParts) {
    this.#parts = parts;
    this.#saved = new SavedMap(parts.memory, parts.bootId);
    this.#disks = parts.sources.map((disk) => ({ disk, map: new DiskMap(disk.sizeBytes) }));
    this.state = {
      mapEpoch: parts.newIdentifier(),
      nextMarkId: 1,
      acknowledgedMark: 0,
      checkpoint: null,
      freezeFailures: 0,
      initialSync: new Set(),
    };
  }

  get disks(): readonly TrackedDisk[] {
    return this.#disks;
  }

  /** Why there is no tracking now; null when there is. */
  get unusable(): string | null {
    return this.#unusable ?? this.#tracker?.loss ?? null;
  }

  /** Grows whenever everything became suspect: digests that were fetched before are no longer good. */
  get suspicions(): number {
    return this.#suspicions;
  }

  /** DATA_LOSS while tracking is lost. */
  get tracker(): ChangeTracker {
    if (this.#tracker === null || this.#unusable !== null) {
      throw new LmsError('DATA_LOSS', `no tracking: ${this.#unusable ?? 'not started'}`);
    }
    return this.#tracker;
  }

  /** True once tracking has worked in this process. */
  get started(): boolean {
    return this.#started;
  }

  /** True while there is no instance and none can be had. */
  get cannotStart(): boolean {
    return this.#tracker === null && this.#startFailed;
  }

  /** By completed writes since this tracker started. */
  bytesWritten(disk: SourceDisk): number {
    return (this.#tracker?.sectorsWritten(disk) ?? 0) * 512;
  }

  /** Bytes a second that were written to the disk, mean since this tracker started. */
  writeRate(disk: SourceDisk): number {
    const seconds = (this.#parts.clock.monotonicMilliseconds() - this.#startedAtMilliseconds) / 1000;
    return seconds > 0 ? this.bytesWritten(disk) / seconds : 0;
  }

  /** Tracks until the signal aborts; the kernel's instance stays, and goes on recording. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, counters, observer } = this.#parts;
    let mode: 'adopt' | 'fresh' = 'adopt';
    while (!signal.aborted) {
      try {
        await this.#start(mode, signal);
        this.#started = true;
        this.#startFailed = false;
        this.#startedAtMilliseconds = clock.monotonicMilliseconds();
        await this.#pollUntilLoss(signal);
        counters.trackerLosses++;
        observer.log('warn', `tracking was lost, everything is compared: ${this.unusable ?? ''}`);
        mode = 'fresh';
      } catch (error) {
        if (signal.aborted) return;
        const failure = toLmsError(error);
        this.#unusable = failure.message;
        this.#startFailed = true;
        observer.log('error', `tracking cannot start: ${failure.message}`, { action: failure.action });
        mode = 'fresh';
        await clock.sleep(RETRY_MILLISECONDS, signal).catch(() => undefined);
      }
    }
  }

  /** Takes all events there are, and saves. */
  poll(): void {
    if (this.#unusable === null) this.#tracker?.poll();
  }

  /** Saves what changed beside events: marks, checkpoints. */
  save(): void {
    if (this.#tracker !== null && this.#unusable === null) this.#save(this.#tracker);
  }

  /** Everything must be compared: the replica may not be what the map believes. */
  suspectAll(): void {
    for (const { map } of this.#disks) map.suspectAll();
    this.#suspicions++;
    this.save();
  }

  /** The replica is not the one that our marks are about: compare everything, and count marks anew. */
  distrustReplica(): void {
    this.state.mapEpoch = this.#parts.newIdentifier();
    this.state.nextMarkId = 1;
    this.state.acknowledgedMark = 0;
    this.suspectAll();
  }

  async close(): Promise<void> {
    this.poll();
    await this.#trace?.close();
    this.#trace = null;
    this.#unusable = 'tracking has ended';
  }

  async #start(mode: 'adopt' | 'fresh', signal: AbortSignal): Promise<void> {
    await this.#trace?.close();
    this.#trace = null;
    this.#tracker = null;
    if (mode === 'adopt' && (await this.#continue(signal))) return;
    const trace = await this.#parts.openTrace('fresh');
    this.#trace = trace;
    this.#requireSameDisks();
    const tracker = this.#newTracker(trace, this.#disks);
    await tracker.proveEventsArrive(signal);
    tracker.inspect();
    tracker.requireTracking();
    this.#saved.begin(this.#disks);
    this.#tracker = tracker;
    this.#unusable = null;
    this.suspectAll();
  }

  /** True when the predecessor's map and instance can be gone on with. */
  async #continue(signal: AbortSignal): Promise<boolean> {
    const { observer } = this.#parts;
    const restored = this.#saved.restore(this.#parts.sources);
    if (typeof restored === 'string') {
      observer.log('info', `everything is compared: ${restored}`);
      return false;
    }
    const trace = await this.#parts.openTrace('adopt');
    this.#trace = trace;
    if (!trace.adopted) {
      observer.log('warn', "everything is compared: the kernel's trace instance is gone");
      await trace.close();
      return false;
    }
    const tracker = this.#newTracker(trace, restored.disks);
    tracker.continueFrom(restored.header.statistics);
    const now = this.#parts.clock.monotonicMilliseconds();
    for (const { disk } of restored.disks) {
      const open = restored.header.openRanges.find(({ diskId }) => diskId === disk.diskId);
      tracker.openRanges(disk).restore(open?.ranges ?? [], now);
    }
    if (tracker.loss === null) {
      this.#adoptState(restored.header);
      this.#disks = restored.disks;
      await tracker.proveEventsArrive(signal);
      tracker.inspect();
    }
    if (tracker.loss !== null) {
      observer.log('warn', `everything is compared: ${tracker.loss}`);
      this.#parts.counters.trackerLosses++;
      this.#saved.invalidate();
      await trace.close();
      return false;
    }
    this.#tracker = tracker;
    this.#unusable = null;
    return true;
  }

  #newTracker(trace: TraceInstance, disks: readonly TrackedDisk[]): ChangeTracker {
    const { clock, observer } = this.#parts;
    const compareAll = (why: string): void => {
      observer.log('info', `everything is compared: ${why}`);
      this.suspectAll();
    };
    return new ChangeTracker(trace, disks, clock, (polled) => this.#save(polled), compareAll);
  }

  #adoptState(header: MapHeader): void {
    this.state.mapEpoch = header.mapEpoch;
    this.state.nextMarkId = header.nextMarkId;
    this.state.acknowledgedMark = header.acknowledgedMark;
    this.state.checkpoint = header.checkpoint;
    this.state.freezeFailures = header.freezeFailures;
    for (const diskId of header.initialSync) this.state.initialSync.add(diskId);
  }

  #requireSameDisks(): void {
    for (const { disk } of this.#disks) {
      const now = disk.inspect();
      if (!now.present || now.generation !== disk.generation || now.sizeBytes !== disk.sizeBytes) {
        throw new LmsError(
          'UNSUPPORTED',
          `${disk.device} is not the disk that was enrolled: it is gone, another one, or has another size`,
          {
            action: 'Start the agent again when the disk is back, or enrol the machine anew with its disks of now.',
          },
        );
      }
    }
  }

  async #pollUntilLoss(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    let inspectedAt = clock.monotonicMilliseconds();
    while (this.#tracker !== null && this.#tracker.loss === null) {
      await clock.sleep(POLL_INTERVAL_MILLISECONDS, signal);
      this.#tracker.poll();
      if (clock.monotonicMilliseconds() - inspectedAt < INSPECT_INTERVAL_MILLISECONDS) continue;
      this.#tracker.inspect();
      inspectedAt = clock.monotonicMilliseconds();
    }
    this.#unusable = this.#tracker?.loss ?? 'tracking has ended';
    this.#saved.invalidate();
  }

  #save(tracker: ChangeTracker): void {
    if (tracker.loss !== null) {
      this.#saved.invalidate();
      return;
    }
    if (tracker !== this.#tracker) return; // not yet trusted: its canary is still under way
    this.#saved.save(this.#disks, {
      ...this.state,
      initialSync: [...this.state.initialSync],
      statistics: tracker.statistics(),
      openRanges: this.#disks.map(({ disk }) => ({
        diskId: disk.diskId,
        ranges: tracker.openRanges(disk).ranges,
      })),
    });
  }
}
