import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { ChangeTracker } from './change-tracker.ts';
import { DiskMap } from './disk-map.ts';
import type { Operation } from './operation.ts';
import type { Clock, EventKind, ProcessorStatistics, SourceDisk, TraceInstance, TraceVisitor } from './ports.ts';

const DISK_NUMBER = (8 << 20) | 0;
const PARTITION_NUMBER = (259 << 20) | 1;
const OTHER_DISK_NUMBER = (8 << 20) | 16;
const never = new AbortController().signal;

type Recorded = (visitor: TraceVisitor) => void;

/** A kernel in memory: two rings, and figures that a test can change. */
class MemoryTrace implements TraceInstance {
  readonly processors = [0, 1];
  readonly adopted = false;
  readonly rings = new Map<number, Recorded[]>([
    [0, []],
    [1, []],
  ]);
  readonly figures: Record<'overrun' | 'commitOverrun' | 'droppedEvents' | 'readEvents', number> = {
    overrun: 0,
    commitOverrun: 0,
    droppedEvents: 0,
    readEvents: 0,
  };
  changed: string | null = null;
  silentProcessor: number | null = null;
  canaryArrives = true;

  record(
    processor: number,
    kind: EventKind,
    sector: number,
    sectorCount: number,
    operation: Operation,
    device = DISK_NUMBER,
  ): void {
    this.rings.get(processor)?.push((visitor) => visitor.block(kind, device, sector, sectorCount, operation));
  }

  readEvents(processor: number, visitor: TraceVisitor): void {
    for (const event of this.rings.get(processor)?.splice(0) ?? []) event(visitor);
  }

  statistics(): ProcessorStatistics {
    return { ...this.figures };
  }

  difference(): string | null {
    return this.changed;
  }

  writeMarkers(markerId: number): Promise<void> {
    for (const processor of this.processors) {
      if (processor === this.silentProcessor) continue;
      this.rings.get(processor)?.push((visitor) => visitor.marker(markerId));
    }
    return Promise.resolve();
  }

  wholeDisk(deviceNumber: number): number | null {
    if (deviceNumber === PARTITION_NUMBER) return DISK_NUMBER;
    return deviceNumber === 77 ? null : deviceNumber;
  }

  sendCanary(): Promise<{ sector: number; sectorCount: number }> {
    if (this.canaryArrives) this.record(1, 'complete', 4096, 8, 'read');
    return Promise.resolve({ sector: 4096, sectorCount: 8 });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class ManualClock implements Clock {
  nowMilliseconds = 10_000;
  sleeps = 0;
  onSleep: () => void = () => undefined;

  wallMicroseconds(): number {
    return this.nowMilliseconds * 1000;
  }
  monotonicMilliseconds(): number {
    return this.nowMilliseconds;
  }
  sleep(milliseconds: number): Promise<void> {
    this.nowMilliseconds += milliseconds;
    this.sleeps++;
    this.onSleep();
    return Promise.resolve();
  }
}

function setUp() {
  const trace = new MemoryTrace();
  const map = new DiskMap(64 * BLOCK_SIZE_BYTES);
  const facts = { present: true, sizeBytes: map.sizeBytes, generation: 'one', inFlight: 0 };
  const disk: SourceDisk = {
    diskId: 'disk',
    device: '/dev/sda',
    sizeBytes: map.sizeBytes,
    deviceNumber: DISK_NUMBER,
    generation: 'one',
    read: () => Promise.resolve(),
    inspect: () => facts,
    writesInFlight: () => facts.inFlight,
  };
  let polls = 0;
  const clock = new ManualClock();
  const comparisons: string[] = [];
  const tracker = new ChangeTracker(
    trace,
    [{ disk, map }],
    clock,
    () => polls++,
    (why) => comparisons.push(why),
  );
  clock.nowMilliseconds += 2000;
  return { trace, map, disk, facts, tracker, clock, comparisons, polls: () => polls };
}

test('R2: every completed request that is not a pure read or flush marks its range', () => {
  const { trace, map, tracker } = setUp();
  trace.record(0, 'complete', 0, 8, 'write');
  trace.record(1, 'complete', 128, 8, 'flushWrite');
  trace.record(0, 'complete', 256, 8, 'discard');
  trace.record(1, 'complete', 384, 8, 'other');
  trace.record(0, 'complete', 512, 8, 'read');
  trace.record(0, 'complete', 0, 0, 'flush');
  tracker.poll();
  expect(map.dirty.count).toBe(4);
  expect(tracker.loss).toBeNull();
});

test('R2: a changing request without a length is a loss', () => {
  const { trace, tracker } = setUp();
  trace.record(0, 'complete', 0, 0, 'other');
  tracker.poll();
  expect(tracker.loss).toContain('does not say what it changed');
});

test('R3: a discard of a partition keeps its range open, and no window is still while it is', async () => {
  const { trace, map, tracker, disk } = setUp();
  trace.record(0, 'queue', 0, 128, 'discard', PARTITION_NUMBER);
  trace.record(0, 'queue', 1280, 128, 'discard', PARTITION_NUMBER);
  const marker = await tracker.proveDrain(never);
  expect(tracker.writerSince(marker)).toBe(disk);
  map.takeDirty(0, 64);
  map.takeDirty(0, 64);
  trace.record(1, 'complete', 0, 256, 'discard');
  const later = await tracker.proveDrain(never);
  expect(map.dirty.has(10)).toBe(true);
  expect(tracker.writerSince(later + 1)).toBeNull();
});

test('R3: a discard that was queued before tracing began has everything compared, when it can change nothing any more', async () => {
  const { trace, tracker, disk, facts, comparisons } = setUp();
  facts.inFlight = 1;
  const first = await tracker.proveDrain(never);
  facts.inFlight = 0;
  expect(tracker.writerSince(first + 1)).toBe(disk);
  trace.record(1, 'complete', 0, 256, 'discard');
  expect(comparisons).toEqual([]);
  const second = await tracker.proveDrain(never);
  expect(comparisons).toEqual(['/dev/sda was trimmed while tracing began']);
  expect(tracker.writerSince(second + 1)).toBeNull();
  trace.record(1, 'complete', 0, 256, 'discard');
  await tracker.proveDrain(never);
  expect(comparisons).toHaveLength(1);
});

test('R3: whether the start met a trim is found out before a window, at an instant without a request in flight', async () => {
  const { trace, tracker, facts, clock, comparisons } = setUp();
  trace.record(1, 'complete', 0, 256, 'discard');
  facts.inFlight = 1;
  clock.onSleep = () => {
    if (clock.sleeps === 3) facts.inFlight = 0;
  };
  await tracker.settleStart(never);
  expect(comparisons).toEqual(['/dev/sda was trimmed while tracing began']);
  await tracker.settleStart(never);
  expect(clock.sleeps).toBe(3);
});

test('a disk that is never without a request in flight, or a drain that cannot be proven, does not hold the window back', async () => {
  const { trace, tracker, facts, clock } = setUp();
  facts.inFlight = 1;
  await tracker.settleStart(never);
  const patience = clock.sleeps;
  expect(patience).toBeGreaterThan(1);
  facts.inFlight = 0;
  trace.silentProcessor = 1;
  await tracker.settleStart(never);
  expect(clock.sleeps).toBeGreaterThan(patience);
  trace.changed = 'an event was switched off';
  trace.silentProcessor = null;
  await expect(tracker.settleStart(never)).rejects.toMatchObject({ code: 'DATA_LOSS' });
});

test('R3: no window may open in the first second of tracing', () => {
  const { tracker, clock } = setUp();
  clock.nowMilliseconds -= 1500;
  expect(tracker.mayOpenWindow).toBe(false);
  clock.nowMilliseconds += 500;
  expect(tracker.mayOpenWindow).toBe(true);
});

test.each(['overrun', 'commitOverrun', 'droppedEvents'] as const)('R4: growth of %s is a loss', (figure) => {
  const { trace, tracker } = setUp();
  trace.figures[figure] = 1;
  tracker.poll();
  expect(tracker.loss).not.toBeNull();
});

test('R4: a lost mark, a changed setting, another generation or size, and an unknown device are losses', async () => {
  const lost = setUp();
  lost.trace.rings.get(1)?.push((visitor) => visitor.lost('LOST'));
  lost.tracker.poll();
  expect(lost.tracker.loss).toContain('LOST');

  const changed = setUp();
  changed.trace.changed = 'tracing was switched off';
  await expect(changed.tracker.proveDrain(never)).rejects.toMatchObject({ code: 'DATA_LOSS' });

  const other = setUp();
  other.facts.generation = 'two';
  other.tracker.inspect();
  expect(other.tracker.loss).toContain('another disk');

  const shrunk = setUp();
  shrunk.facts.sizeBytes -= 512;
  shrunk.tracker.inspect();
  expect(shrunk.tracker.loss).toContain('another size');

  const unknown = setUp();
  unknown.trace.record(0, 'queue', 0, 8, 'discard', 77);
  unknown.tracker.poll();
  expect(unknown.tracker.loss).toContain('does not know');
});

test('R4: events that a killed process took and did not save are a loss', () => {
  const { trace, tracker } = setUp();
  const saved = tracker.statistics().map((figures) => ({ ...figures }));
  tracker.continueFrom(saved);
  expect(tracker.loss).toBeNull();
  const { tracker: next } = setUp();
  next.continueFrom(saved.map((figures) => ({ ...figures, readEvents: figures.readEvents - 1 })));
  expect(next.loss).toContain('were taken and not saved');
  expect(trace.figures.readEvents).toBe(0);
});

test('R4: figures that nobody has checked yet are not saved as the baseline', () => {
  const { trace, tracker } = setUp();
  trace.figures.overrun = 3;
  expect(tracker.statistics()[0]?.overrun).toBe(0);
});

test('R5: a drain is not proven while one processor has not handed out its marker', async () => {
  const { trace, tracker } = setUp();
  trace.silentProcessor = 1;
  await expect(tracker.proveDrain(never)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('R5: a disk whose own reads do not show up is refused', async () => {
  const good = setUp();
  await good.tracker.proveEventsArrive(never);
  const deaf = setUp();
  deaf.trace.canaryArrives = false;
  await expect(deaf.tracker.proveEventsArrive(never)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('a request behind a marker is a writer since that marker, one before it is not', async () => {
  const { trace, tracker, disk, facts } = setUp();
  trace.record(0, 'issue', 0, 8, 'write');
  trace.record(0, 'complete', 0, 8, 'write');
  const marker = await tracker.proveDrain(never);
  expect(tracker.writerSince(marker)).toBeNull();
  facts.inFlight = 1;
  expect(tracker.writerSince(marker)).toBe(disk);
  facts.inFlight = 0;
  trace.record(1, 'issue', 0, 8, 'write');
  await tracker.proveDrain(never);
  expect(tracker.writerSince(marker)).toBe(disk);
});

test('R13: a writer of any disk of the machine is a writer, whichever disk comes first', async () => {
  const { trace, map, disk, clock } = setUp();
  const other = { ...disk, diskId: 'other', device: '/dev/sdb', deviceNumber: OTHER_DISK_NUMBER };
  const disks = [
    { disk, map },
    { disk: other, map: new DiskMap(map.sizeBytes) },
  ];
  const tracker = new ChangeTracker(
    trace,
    disks,
    clock,
    () => undefined,
    () => undefined,
  );
  clock.nowMilliseconds += 2000;
  const marker = await tracker.proveDrain(never);
  expect(tracker.writerSince(marker)).toBeNull();
  trace.record(1, 'issue', 0, 8, 'write', OTHER_DISK_NUMBER);
  await tracker.proveDrain(never);
  expect(tracker.writerSince(marker)).toBe(other);
});

test('a marker that a killed process left in the rings does not prove the drain of the next', async () => {
  const { trace, tracker } = setUp();
  await trace.writeMarkers(41);
  expect(await tracker.proveDrain(never)).toBe(42);
});
