/**
 * How a machine writes, over time, without sending anything: the tracker's own view, on a trace instance of its own.
 *
 * Situation: block counters of the kernel tell bytes written, and what is rewritten is sent once per cycle only. Mechanism: the
 * same tracker as replication has marks 64 KiB blocks; at the end of each tick they are taken as touched, and `TouchRecorder`
 * keeps how long ago each was touched before. Special cases: an agent that replicates the same disks has its own instance and
 * notices nothing; disks are read for the canary only, at idle priority.
 * Failure: events that were lost (R4) end the measurement early; what was seen before is still right, and the reason is told.
 */
import { TouchRecorder, LOOK_INTERVAL_SECONDS, type WriteSeries, type WriteTick } from '@lms/bandwidth-model';
import { BLOCK_SIZE_BYTES, MAXIMUM_BLOCKS_PER_WRITE } from '@lms/block-stream';
import type { Clock, SourceDisk, TraceInstance } from '../core/index.ts';
import { ChangeTracker, DiskMap, type BlockRange, type TrackedDisk } from '../core/measuring.ts';

const INSPECT_INTERVAL_MILLISECONDS = 1_000;

export interface WriteMeasurementOptions {
  readonly disks: readonly SourceDisk[];
  readonly trace: TraceInstance;
  readonly clock: Clock;
  readonly durationSeconds: number;
  readonly tickSeconds: number;
  /** Told of what was touched in each tick; must not take long. */
  readonly touched: (disk: SourceDisk, ranges: readonly BlockRange[]) => void;
  readonly progress: (seconds: number) => void;
  /** Ends the measurement early, with what there is. */
  readonly signal: AbortSignal;
}

export interface MeasuredDisk {
  readonly disk: SourceDisk;
  readonly series: WriteSeries;
  /** Mean length of the runs in which touched blocks lie, 1 to 16; null while nothing was touched. */
  readonly runBlocks: number | null;
}

export interface WriteMeasurement {
  readonly disks: readonly MeasuredDisk[];
  /** Why it ended early; null when it did not. */
  readonly endedEarly: string | null;
}

export async function measureWrites(options: WriteMeasurementOptions): Promise<WriteMeasurement> {
  const { disks, trace, clock, durationSeconds, tickSeconds, signal, progress } = options;
  const tracked = disks.map((disk) => ({ disk, map: new DiskMap(disk.sizeBytes) }));
  const tracker = new ChangeTracker(trace, tracked, clock, nothing, nothing);
  await tracker.proveEventsArrive(signal);
  const measures = tracked.map((each) => new DiskMeasure(each, tracker, options.touched));
  const looksPerTick = Math.max(1, Math.round(tickSeconds / LOOK_INTERVAL_SECONDS));
  const totalLooks = Math.ceil(durationSeconds / LOOK_INTERVAL_SECONDS);
  const beganAt = clock.monotonicMilliseconds();
  let inspectedAt = beganAt;
  for (let look = 1; look <= totalLooks && !signal.aborted && tracker.loss === null; look++) {
    // By the clock and not by counting pauses: a host that is busy must not stretch the ticks.
    const due = beganAt + look * LOOK_INTERVAL_SECONDS * 1000;
    await clock.sleep(Math.max(0, due - clock.monotonicMilliseconds()), signal).catch(nothing);
    tracker.poll();
    for (const measure of measures) measure.look();
    if (clock.monotonicMilliseconds() - inspectedAt >= INSPECT_INTERVAL_MILLISECONDS) {
      tracker.inspect();
      inspectedAt = clock.monotonicMilliseconds();
    }
    if (look % looksPerTick !== 0) continue;
    for (const measure of measures) measure.endTick(looksPerTick);
    progress(look * LOOK_INTERVAL_SECONDS);
  }
  return {
    disks: measures.map((measure) => measure.result(tickSeconds)),
    endedEarly: tracker.loss ?? (signal.aborted ? 'it was interrupted' : null),
  };
}

class DiskMeasure {
  readonly #tracked: TrackedDisk;
  readonly #tracker: ChangeTracker;
  readonly #touched: WriteMeasurementOptions['touched'];
  readonly #recorder = new TouchRecorder();
  readonly #ticks: WriteTick[] = [];
  #sectorsAtLook = 0;
  #sectorsAtTick = 0;
  #stillLooks = 0;
  #blocks = 0;
  #runs = 0;

  constructor(tracked: TrackedDisk, tracker: ChangeTracker, touched: WriteMeasurementOptions['touched']) {
    this.#tracked = tracked;
    this.#tracker = tracker;
    this.#touched = touched;
    // What came before the beginning is not part of it.
    this.#sectorsAtLook = this.#sectorsAtTick = tracker.sectorsWritten(tracked.disk);
    tracked.map.dirty.clear();
  }

  look(): void {
    const sectors = this.#tracker.sectorsWritten(this.#tracked.disk);
    if (sectors === this.#sectorsAtLook) this.#stillLooks++;
    this.#sectorsAtLook = sectors;
  }

  endTick(looks: number): void {
    const { disk, map } = this.#tracked;
    const ranges: BlockRange[] = [];
    for (let from = 0; ;) {
      const range = map.dirty.nextRange(from, MAXIMUM_BLOCKS_PER_WRITE);
      if (range === null) break;
      ranges.push(range);
      from = range.firstBlock + range.blockCount;
    }
    for (const { firstBlock, blockCount } of ranges) {
      this.#recorder.touch(firstBlock, blockCount);
      this.#blocks += blockCount;
    }
    this.#runs += ranges.length;
    map.dirty.clear();
    const sectors = this.#sectorsAtLook;
    this.#ticks.push(this.#recorder.endTick((sectors - this.#sectorsAtTick) * 512, this.#stillLooks / looks));
    this.#sectorsAtTick = sectors;
    this.#stillLooks = 0;
    if (ranges.length > 0) this.#touched(disk, ranges);
  }

  result(tickSeconds: number): MeasuredDisk {
    return {
      disk: this.#tracked.disk,
      series: { tickSeconds, blockSizeBytes: BLOCK_SIZE_BYTES, ticks: this.#ticks },
      runBlocks: this.#runs === 0 ? null : this.#blocks / this.#runs,
    };
  }
}

function nothing(): void {
  // Nobody is told.
}
