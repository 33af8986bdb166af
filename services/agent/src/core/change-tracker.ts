/**
 * Turns what the kernel tells into dirty blocks, and says when the disks were still.
 *
 * Situation: one ring of events per processor, read by nobody but us, bounded, and lossy when we are late.
 * Mechanism: `poll` takes all events there are and marks their ranges before it returns. `proveDrain` writes a marker
 * into every ring and takes events until each marker was seen: every event before the marker has then been taken.
 * `writerSince` answers from the same order: a disk is still since marker M if no ring showed a changing request of
 * it behind its marker M.
 * Special cases: discards name only one of their ranges (R3, `open-ranges.ts`); queue events may carry a partition's
 * number; a flush may look like an empty write; the canary is a read.
 * Failure: whatever may have cost an event is a loss (R4). A loss is kept, never cleared: whoever sees it compares
 * everything again and starts a new tracker.
 */
import { LmsError, toLmsError } from '@lms/errors';
import type { DeviceNumber } from '@lms/block-stream';
import type { DiskMap } from './disk-map.ts';
import { EarlierDiscards } from './earlier-discards.ts';
import { changesNothing, mayHideRanges, type Operation } from './operation.ts';
import { OpenRanges } from './open-ranges.ts';
import type { Clock, EventKind, ProcessorStatistics, SourceDisk, TraceInstance, TraceVisitor } from './ports.ts';

/** A marker that a processor does not take within this time voids the drain. */
const MARKER_TIMEOUT_MILLISECONDS = 1000;
/** A ring that is being written to may hide a committed marker for an instant. */
const DRAIN_ATTEMPTS = 200;
const DRAIN_PAUSE_MILLISECONDS = 1;
/** How often the disks are asked for an instant without a request in flight, before a window. */
const STILL_INSTANT_ATTEMPTS = 20;
const STILL_INSTANT_PAUSE_MILLISECONDS = 2;
/** The canary must show up within this many polls. */
const CANARY_ATTEMPTS = 500;

export interface TrackedDisk {
  readonly disk: SourceDisk;
  readonly map: DiskMap;
}

interface DiskActivity extends TrackedDisk {
  readonly openRanges: OpenRanges;
  readonly earlierDiscards: EarlierDiscards;
  /** Highest marker behind which a changing request was seen. */
  lastActiveMarker: number;
  sectorsWritten: number;
}

export type SavedStatistics = readonly (ProcessorStatistics & { readonly processor: number })[];

export class ChangeTracker implements TraceVisitor {
  readonly #trace: TraceInstance;
  readonly #clock: Clock;
  readonly #disks: DiskActivity[];
  readonly #byDevice = new Map<DeviceNumber, DiskActivity>();
  readonly #seenMarker = new Map<number, number>();
  #baseline: Map<number, ProcessorStatistics>;
  #checked: Map<number, ProcessorStatistics>;
  readonly #polled: (tracker: ChangeTracker) => void;
  readonly #compareAll: (why: string) => void;
  #processor = 0;
  #nextMarker = 1;
  #loss: string | null = null;
  #canary: { readonly deviceNumber: DeviceNumber; readonly sector: number; seen: boolean } | null = null;

  /**
   * `polled` is called at the end of every poll: that is when the map and the rings' figures agree, and can be saved.
   * `compareAll` is called when something changed that no event named, and cannot change any more.
   */
  constructor(
    trace: TraceInstance,
    disks: readonly TrackedDisk[],
    clock: Clock,
    polled: (tracker: ChangeTracker) => void,
    compareAll: (why: string) => void,
  ) {
    this.#trace = trace;
    this.#clock = clock;
    this.#polled = polled;
    this.#compareAll = compareAll;
    this.#disks = disks.map((tracked) => ({
      ...tracked,
      openRanges: new OpenRanges(clock.monotonicMilliseconds()),
      earlierDiscards: new EarlierDiscards(clock.monotonicMilliseconds()),
      lastActiveMarker: 0,
      sectorsWritten: 0,
    }));
    for (const activity of this.#disks) this.#byDevice.set(activity.disk.deviceNumber, activity);
    for (const processor of trace.processors) this.#seenMarker.set(processor, 0);
    this.#baseline = new Map(trace.processors.map((processor) => [processor, trace.statistics(processor)]));
    this.#checked = new Map(this.#baseline);
  }

  /** Why tracking was lost (R4), or null. */
  get loss(): string | null {
    return this.#loss;
  }

  /** True while some disk has a range that a discard may still change (R3). */
  get hasOpenRanges(): boolean {
    return this.#disks.some((activity) => activity.openRanges.count > 0);
  }

  openRanges(disk: SourceDisk): OpenRanges {
    return this.#activity(disk).openRanges;
  }

  /** Sectors that completed requests changed, since the start. */
  sectorsWritten(disk: SourceDisk): number {
    return this.#activity(disk).sectorsWritten;
  }

  /**
   * Continues where an earlier process stopped: its figures are the baseline. `readEvents` that grew since mean that
   * it took events and died before it saved them (R4).
   */
  continueFrom(saved: SavedStatistics): void {
    if (saved.length !== this.#trace.processors.length) {
      this.#lose('another set of processors than when the map was saved');
    }
    for (const { processor, ...figures } of saved) {
      const now = this.#baseline.get(processor);
      if (now === undefined) this.#lose(`processor ${processor} is gone since the map was saved`);
      else if (now.readEvents !== figures.readEvents) {
        this.#lose(`events of processor ${processor} were taken and not saved`);
      }
      this.#baseline.set(processor, figures);
    }
    this.#checkStatistics();
  }

  /**
   * Statistics that belong to the map as it is now: to be saved with it. They are those of the last check: fresh ones
   * could hold a loss that nobody has looked at yet, and the next process would take it for the baseline.
   */
  statistics(): SavedStatistics {
    return this.#trace.processors.map((processor) => {
      const checked = this.#checked.get(processor);
      if (checked === undefined) throw new RangeError(`processor ${processor} is not tracked`);
      return { processor, ...checked };
    });
  }

  /** Takes all events there are now, and marks what they changed. */
  poll(): void {
    try {
      for (const processor of this.#trace.processors) {
        this.#processor = processor;
        this.#trace.readEvents(processor, this);
      }
      this.#checkStatistics();
    } catch (error) {
      this.#lose(`the trace instance cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const { openRanges, map } of this.#disks) {
      openRanges.markAgain((range) => map.markSectors(range.sector, range.sectorCount));
    }
    this.#polled(this);
  }

  /** Checks that tracing and the disks are still what they were (R4). Costs some file reads: for drains and now and then. */
  inspect(): void {
    try {
      const difference = this.#trace.difference();
      if (difference !== null) this.#lose(difference);
      for (const { disk } of this.#disks) {
        const now = disk.inspect();
        if (!now.present) this.#lose(`${disk.device} is gone`);
        else if (now.generation !== disk.generation) this.#lose(`${disk.device} is another disk now`);
        else if (now.sizeBytes !== disk.sizeBytes) this.#lose(`${disk.device} has another size now`);
      }
    } catch (error) {
      this.#lose(`the trace instance cannot be inspected: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** R5: proves that events of every disk arrive. UNSUPPORTED when a disk's own reads do not show up. */
  async proveEventsArrive(signal: AbortSignal): Promise<void> {
    for (const { disk } of this.#disks) {
      const { sector } = await this.#trace.sendCanary(disk);
      const canary = { deviceNumber: disk.deviceNumber, sector, seen: false };
      this.#canary = canary;
      for (let attempt = 0; attempt < CANARY_ATTEMPTS && !canary.seen; attempt++) {
        this.poll();
        if (!canary.seen) await this.#clock.sleep(DRAIN_PAUSE_MILLISECONDS, signal);
      }
      this.#canary = null;
      if (!canary.seen) {
        throw new LmsError('UNSUPPORTED', `${disk.device}: the kernel reports none of the disk's requests`, {
          action: 'Replicate the disks below it instead (lsblk shows them).',
        });
      }
    }
  }

  /**
   * Takes every event that was recorded before the call, proven by a marker on every processor; returns the marker.
   * DEADLINE_EXCEEDED when it cannot be proven now, DATA_LOSS when tracking is lost.
   */
  async proveDrain(signal: AbortSignal): Promise<number> {
    this.poll(); // markers that a killed process left in the rings are seen now, so that ours is a new one
    const marker = this.#nextMarker++;
    const beganMilliseconds = this.#clock.monotonicMilliseconds();
    const inFlight = this.#disks.map(({ disk }) => disk.writesInFlight());
    await this.#trace.writeMarkers(marker, MARKER_TIMEOUT_MILLISECONDS);
    for (let attempt = 0; attempt < DRAIN_ATTEMPTS; attempt++) {
      this.poll();
      if (this.#trace.processors.every((processor) => (this.#seenMarker.get(processor) ?? 0) >= marker)) {
        this.inspect();
        this.requireTracking();
        const now = this.#clock.monotonicMilliseconds();
        for (const { openRanges, disk } of this.#disks) openRanges.settle(disk.writesInFlight(), now);
        this.#settleEarlier(inFlight, beganMilliseconds);
        return marker;
      }
      await this.#clock.sleep(DRAIN_PAUSE_MILLISECONDS, signal);
    }
    throw new LmsError('DEADLINE_EXCEEDED', `marker ${marker} did not come through every processor's trace ring`);
  }

  /** False in the first second of tracing: no window could open (R3). */
  get mayOpenWindow(): boolean {
    const now = this.#clock.monotonicMilliseconds();
    return this.#disks.every(({ earlierDiscards }) => !earlierDiscards.mustWait(now));
  }

  /**
   * Looks for an instant that shows that what was queued before tracing is gone, once. That may make everything suspect,
   * which would void a window, and a freeze with it. Gives up where a disk is never without a request in flight, which only
   * a freeze can change, and where no drain can be proven now.
   */
  async settleStart(signal: AbortSignal): Promise<void> {
    const settled = (): boolean => this.#disks.every(({ earlierDiscards }) => earlierDiscards.gone);
    try {
      for (let attempt = 0; attempt < STILL_INSTANT_ATTEMPTS && !settled(); attempt++) {
        await this.proveDrain(signal);
        if (!settled()) await this.#clock.sleep(STILL_INSTANT_PAUSE_MILLISECONDS, signal);
      }
    } catch (error) {
      if (toLmsError(error).code !== 'DEADLINE_EXCEEDED') throw error;
    }
  }

  requireTracking(): void {
    if (this.#loss !== null) throw new LmsError('DATA_LOSS', `tracking was lost: ${this.#loss}`);
  }

  /** A disk that a request changed since the marker, or may be changing now; null when all were still. */
  writerSince(marker: number): SourceDisk | null {
    const active = this.#disks.find(
      ({ lastActiveMarker, disk, openRanges, earlierDiscards }) =>
        lastActiveMarker >= marker || openRanges.count > 0 || disk.writesInFlight() > 0 || !earlierDiscards.gone,
    );
    return active?.disk ?? null;
  }

  // TraceVisitor: called by `readEvents`, once an event.

  block(kind: EventKind, deviceNumber: DeviceNumber, sector: number, sectorCount: number, operation: Operation): void {
    const activity = this.#find(deviceNumber);
    if (activity === null) return;
    if (operation === 'read' && kind === 'complete' && this.#canary !== null) this.#noteCanary(deviceNumber, sector);
    if (changesNothing(operation, sectorCount)) return;
    const marker = this.#seenMarker.get(this.#processor) ?? 0;
    if (marker > activity.lastActiveMarker) activity.lastActiveMarker = marker;
    if (sectorCount === 0) {
      this.#lose(`${activity.disk.device}: a request that does not say what it changed`);
      return;
    }
    if (kind === 'queue') {
      if (!mayHideRanges(operation)) return;
      activity.openRanges.queued({ sector, sectorCount }, this.#clock.monotonicMilliseconds());
    } else if (kind === 'complete') {
      activity.sectorsWritten += sectorCount;
      if (mayHideRanges(operation)) {
        activity.earlierDiscards.completed();
        activity.openRanges.completed({ sector, sectorCount }, this.#clock.monotonicMilliseconds());
      }
    } else return;
    activity.map.markSectors(sector, sectorCount);
  }

  marker(markerId: number): void {
    this.#seenMarker.set(this.#processor, Math.max(markerId, this.#seenMarker.get(this.#processor) ?? 0));
    this.#nextMarker = Math.max(this.#nextMarker, markerId + 1);
  }

  lost(reason: string): void {
    this.#lose(`processor ${this.#processor}: ${reason}`);
  }

  #find(deviceNumber: DeviceNumber): DiskActivity | null {
    const known = this.#byDevice.get(deviceNumber);
    if (known !== undefined) return known;
    const whole = this.#trace.wholeDisk(deviceNumber);
    if (whole === null) {
      this.#lose(`an event of device ${deviceNumber >>> 20}:${deviceNumber & 0xfffff}, which the kernel does not know`);
      return null;
    }
    return this.#byDevice.get(whole) ?? null;
  }

  #settleEarlier(inFlight: readonly number[], nowMilliseconds: number): void {
    for (const [index, { earlierDiscards, disk }] of this.#disks.entries()) {
      if (!earlierDiscards.settle(inFlight[index] as number, nowMilliseconds)) continue;
      this.#compareAll(`${disk.device} was trimmed while tracing began`);
    }
  }

  #noteCanary(deviceNumber: DeviceNumber, sector: number): void {
    const canary = this.#canary;
    if (canary !== null && canary.deviceNumber === deviceNumber && canary.sector === sector) canary.seen = true;
  }

  #checkStatistics(): void {
    for (const processor of this.#trace.processors) {
      const now = this.#trace.statistics(processor);
      this.#checked.set(processor, now);
      const before = this.#baseline.get(processor);
      if (before === undefined) continue;
      if (now.overrun !== before.overrun) this.#lose(`the ring of processor ${processor} overran`);
      if (now.commitOverrun !== before.commitOverrun) this.#lose(`processor ${processor}: commit overrun`);
      if (now.droppedEvents !== before.droppedEvents) this.#lose(`processor ${processor} dropped events`);
    }
  }

  #activity(disk: SourceDisk): DiskActivity {
    const activity = this.#byDevice.get(disk.deviceNumber);
    if (activity === undefined) throw new RangeError(`${disk.device} is not tracked`);
    return activity;
  }

  #lose(reason: string): void {
    this.#loss ??= reason;
  }
}
