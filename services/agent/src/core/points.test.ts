import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES, createCompressionChoice, type Frame, type FrameConnection } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import { SETTLE_MILLISECONDS } from './open-ranges.ts';
import { PointMaker } from './points.ts';
import type { Clock, Freezer, RuntimeMemory, SourceDisk, TraceInstance, TraceVisitor } from './ports.ts';
import { SavedMap, type CheckpointRecord } from './saved-map.ts';
import { Session } from './session.ts';
import { DEFAULT_SETTINGS, newCounters } from './status.ts';
import { Tracking } from './tracking.ts';

const DISK_NUMBER = 8 << 20;
const DISK_BLOCKS = 4;

/** Everything answers within one turn of the event loop, except what a test holds back. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class QuickClock implements Clock {
  nowMilliseconds = 0;

  wallMicroseconds(): number {
    return this.nowMilliseconds * 1000;
  }
  monotonicMilliseconds(): number {
    return this.nowMilliseconds;
  }
  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    await nextTurn();
    this.nowMilliseconds += milliseconds;
    signal.throwIfAborted();
  }
}

/** A kernel whose only events are our own canary and markers. */
class StillTrace implements TraceInstance {
  readonly processors = [0];
  readonly adopted = false;
  readonly #ring: ((visitor: TraceVisitor) => void)[] = [];
  onMarkers: () => void = () => undefined;

  readEvents(_processor: number, visitor: TraceVisitor): void {
    for (const event of this.#ring.splice(0)) event(visitor);
  }
  statistics() {
    return { overrun: 0, commitOverrun: 0, droppedEvents: 0, readEvents: 0 };
  }
  difference(): null {
    return null;
  }
  async writeMarkers(markerId: number): Promise<void> {
    await nextTurn();
    this.onMarkers();
    this.#ring.push((visitor) => visitor.marker(markerId));
  }
  wholeDisk(deviceNumber: number): number {
    return deviceNumber;
  }
  sendCanary(): Promise<{ sector: number; sectorCount: number }> {
    this.#ring.push((visitor) => visitor.block('complete', DISK_NUMBER, 0, 8, 'read'));
    return Promise.resolve({ sector: 0, sectorCount: 8 });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A replication server that holds nothing yet, and commits every checkpoint as point 1. */
class WillingServer implements FrameConnection {
  readonly sent: string[] = [];
  readonly #answers: Frame[] = [];
  onCheckpoint: (checkpointId: string) => void = () => undefined;
  /** What a limit of the bandwidth makes writes wait for. */
  mayPass: Promise<void> = Promise.resolve();
  #waiting: PromiseWithResolvers<Frame | null> | null = null;

  send(frame: Frame): Promise<void> {
    this.sent.push(frame.type);
    if (frame.type === 'hello') {
      this.#answer({
        ...{ type: 'helloAnswer', protocol: 1, capabilities: [], fencingGeneration: 1 },
        ...{ digestKey: new Uint8Array(32), lastMark: null, lastCheckpoint: null },
        disks: [{ diskId: 'disk', diskIndex: 0, empty: true }],
      });
    }
    if (frame.type === 'checkpoint') {
      const { checkpointId, markId } = frame;
      this.onCheckpoint(checkpointId);
      this.#answer({ type: 'checkpointAck', checkpointId, markId, sequence: 1 });
    }
    return frame.type === 'write' ? this.mayPass : Promise.resolve();
  }

  receive(): Promise<Frame | null> {
    const next = this.#answers.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.#waiting = Promise.withResolvers<Frame | null>();
    return this.#waiting.promise;
  }

  close(): void {
    this.#waiting?.resolve(null);
  }

  #answer(frame: Frame): void {
    if (this.#waiting === null) this.#answers.push(frame);
    else this.#waiting.resolve(frame);
    this.#waiting = null;
  }
}

class OneFileSystem implements Freezer {
  mounts = 0;
  frozen = false;
  freezes = 0;
  onThaw: () => void = () => undefined;

  countMounts(): Promise<number> {
    return Promise.resolve(this.mounts);
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  freeze(): Promise<readonly string[]> {
    this.frozen = true;
    this.freezes++;
    return Promise.resolve([]);
  }
  thaw(): Promise<{ pauseMicroseconds: number; intact: boolean }> {
    this.frozen = false;
    this.onThaw();
    return Promise.resolve({ pauseMicroseconds: 1, intact: true });
  }
}

async function setUp(read: SourceDisk['read']) {
  const trace = new StillTrace();
  const clock = new QuickClock();
  const files = new Map<string, Uint8Array>();
  const sizeBytes = DISK_BLOCKS * BLOCK_SIZE_BYTES;
  const load = { writesInFlight: () => 0 };
  const disk: SourceDisk = {
    ...{ diskId: 'disk', device: '/dev/sda', sizeBytes, deviceNumber: DISK_NUMBER, generation: 'one', read },
    inspect: () => ({ present: true, sizeBytes, generation: 'one' }),
    writesInFlight: () => load.writesInFlight(),
  };
  const phase = { traceparent: '', phase: () => undefined, end: () => undefined };
  const observer = { log: () => undefined, beginPoint: () => phase, frozen: () => undefined };
  let identifiers = 0;
  const parts = { clock, counters: newCounters(), observer, newIdentifier: () => `id-${++identifiers}` };
  const memory: RuntimeMemory = {
    read: (name) => files.get(name) ?? null,
    replace: (name, data) => void files.set(name, data.slice()),
    allocate: (name, bytes) => void files.set(name, new Uint8Array(bytes)),
    writeAt: (name, offsetBytes, data) => files.get(name)?.set(data, offsetBytes),
  };
  const openTrace = (): Promise<StillTrace> => Promise.resolve(trace);
  const tracking = new Tracking({ ...parts, sources: [disk], openTrace, memory, bootId: 'boot' });
  const stop = new AbortController();
  const tracked = tracking.run(stop.signal);
  while (tracking.unusable !== null) await nextTurn();
  const trackedSince = clock.nowMilliseconds;
  while (clock.nowMilliseconds < trackedSince + 2 * SETTLE_MILLISECONDS) await nextTurn();
  const server = new WillingServer();
  const pool = {
    capacityBuffers: 4,
    acquire: () => Promise.resolve(new Uint8Array(16 * BLOCK_SIZE_BYTES)),
    release: () => undefined,
  };
  const compression = createCompressionChoice('off');
  const session = new Session({
    ...parts,
    ...{ connection: server, tracking, pool, compression, bootId: 'boot', agentVersion: '0.1.0' },
  });
  await session.open();
  const freezer = new OneFileSystem();
  const points = new PointMaker({ ...parts, tracking, freezer, pool, settings: () => DEFAULT_SETTINGS });
  return {
    ...{ clock, load, trace, session, points, freezer, server, stop },
    /** How many freezes there have been by the end of the attempt. */
    attemptAfter: async (milliseconds: number): Promise<number> => {
      clock.nowMilliseconds += milliseconds;
      await points.attempt(session, () => Promise.resolve(), stop.signal);
      return freezer.freezes;
    },
    /** What a process would find that is started now. */
    savedCheckpoint: () => {
      const restored = new SavedMap(memory, 'boot').restore([disk]);
      if (typeof restored === 'string') throw new Error(restored);
      return restored.header.checkpoint;
    },
    end: async (): Promise<void> => {
      session.close(new LmsError('CANCELLED', 'the test is over'));
      stop.abort(new Error('the test is over'));
      await tracked;
    },
  };
}

/** A file system is mounted, and the disk is never without a write in flight, frozen or not. */
async function setUpBusy() {
  const busy = await setUp(() => Promise.resolve());
  busy.freezer.mounts = 1;
  busy.load.writesInFlight = () => 1;
  return busy;
}

test('R16: a chunk that was taken earlier and is still being read holds the window back', async () => {
  const events: string[] = [];
  const { trace, session, points, server, stop, end } = await setUp(async (_offset, target) => {
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    target.fill(7);
    events.push('the chunk was read');
  });
  try {
    await session.pushDirty(0, 0);
    trace.onMarkers = () => events.push('a window drains');
    await points.attempt(session, () => Promise.resolve(), stop.signal);
    expect(events).toEqual(['the chunk was read', 'a window drains', 'a window drains']);
    expect(server.sent).toEqual(['hello', 'write', 'checkpoint']);
    expect(points.lastPoint?.sequence).toBe(1);
  } finally {
    await end();
  }
});

test('R17: an attempt that is ended in the middle of a freeze thaws what it froze', async () => {
  const { trace, session, points, freezer, stop, end } = await setUp(() => Promise.resolve());
  try {
    freezer.mounts = 1;
    const parameters = { requestId: 'request', timeoutMilliseconds: 60_000, traceparent: '' };
    void points.request({ ...parameters, consistency: 'filesystem' });
    let frozenThen = false;
    trace.onMarkers = () => {
      frozenThen = freezer.frozen;
      stop.abort(new Error('SIGTERM'));
      throw new LmsError('CANCELLED', 'SIGTERM');
    };
    await expect(points.attempt(session, () => Promise.resolve(), stop.signal)).rejects.toThrow('SIGTERM');
    expect(frozenThen).toBe(true);
    expect(freezer.frozen).toBe(false);
  } finally {
    await end();
  }
});

test('R17: what a frozen window reads is sent after the thaw, so that no limit of the bandwidth prolongs a freeze', async () => {
  const reads: boolean[] = [];
  const { session, points, freezer, server, stop, end } = await setUp((_offset, target) => {
    target.fill(7);
    reads.push(freezer.frozen);
    return Promise.resolve();
  });
  try {
    freezer.mounts = 1;
    const thawed = Promise.withResolvers<void>();
    server.mayPass = thawed.promise;
    let sentWhileFrozen = false;
    freezer.onThaw = () => {
      sentWhileFrozen = server.sent.includes('write');
      thawed.resolve();
    };
    const parameters = { requestId: 'request', timeoutMilliseconds: 60_000, traceparent: '' };
    const outcome = points.request({ ...parameters, consistency: 'filesystem' });
    await points.attempt(session, () => Promise.resolve(), stop.signal);
    expect(await outcome).toEqual({ state: 'succeeded', sequence: 1, consistency: 'filesystem' });
    expect(reads).toEqual([true]);
    expect(sentWhileFrozen).toBe(false);
    expect(server.sent).toEqual(['hello', 'write', 'checkpoint']);
  } finally {
    await end();
  }
});

test('a freeze that failed is tried again after a rest, and not only when the interval is over', async () => {
  const { attemptAfter, load, points, freezer, end } = await setUpBusy();
  try {
    expect(await attemptAfter(0)).toBe(1);
    expect(await attemptAfter(4_000)).toBe(1);
    load.writesInFlight = () => (freezer.frozen ? 0 : 1);
    expect(await attemptAfter(2_000)).toBe(2);
    expect(points.lastPoint?.consistency).toBe('filesystem');
    expect(await attemptAfter(30_000)).toBe(2);
    expect(await attemptAfter(31_000)).toBe(3);
  } finally {
    await end();
  }
});

test('after a second failure in a row nobody freezes until the interval is over, and after a third not at all', async () => {
  const { attemptAfter, points, end } = await setUpBusy();
  try {
    expect(await attemptAfter(0)).toBe(1);
    expect(await attemptAfter(6_000)).toBe(2);
    expect(await attemptAfter(30_000)).toBe(2);
    expect(points.freezing).toBe('on');
    expect(await attemptAfter(31_000)).toBe(3);
    expect(points.freezing).toBe('off-after-failures');
    expect(await attemptAfter(120_000)).toBe(3);
  } finally {
    await end();
  }
});

test('whoever asks for a point waits for the rest after a failed freeze, so that one bad moment does not switch freezing off', async () => {
  const { clock, load, session, points, freezer, stop, end } = await setUpBusy();
  try {
    const parameters = { requestId: 'request', timeoutMilliseconds: 60_000, traceparent: '' };
    const outcome = points.request({ ...parameters, consistency: 'filesystem' });
    await points.attempt(session, () => Promise.resolve(), stop.signal);
    clock.nowMilliseconds += 1_000;
    expect(points.due()).toBe(false);
    load.writesInFlight = () => 0;
    clock.nowMilliseconds += 5_000;
    expect(points.due()).toBe(true);
    await points.attempt(session, () => Promise.resolve(), stop.signal);
    expect(await outcome).toEqual({ state: 'succeeded', sequence: 1, consistency: 'filesystem' });
    expect(freezer.freezes).toBe(2);
  } finally {
    await end();
  }
});

test('R18: the id of a checkpoint is saved before it is sent, and its point with it once it is acknowledged', async () => {
  const { session, points, server, stop, savedCheckpoint, end } = await setUp((_offset, target) => {
    target.fill(7);
    return Promise.resolve();
  });
  try {
    await session.pushDirty(0, 0);
    const parameters = { requestId: 'request', timeoutMilliseconds: 60_000, traceparent: '' };
    const outcome = points.request({ ...parameters, consistency: 'crash' });
    const saved: { readonly sent: string; readonly found: CheckpointRecord | null }[] = [];
    server.onCheckpoint = (sent) => saved.push({ sent, found: savedCheckpoint() });
    await points.attempt(session, () => Promise.resolve(), stop.signal);
    const checkpointId = saved[0]?.sent ?? '';
    const record = { checkpointId, markId: 1, requestId: 'request' };
    expect(saved).toEqual([{ sent: checkpointId, found: { ...record, sequence: null } }]);
    expect(savedCheckpoint()).toEqual({ ...record, sequence: 1 });
    expect(await outcome).toEqual({ state: 'succeeded', sequence: 1, consistency: 'filesystem' });
    const again = points.request({ ...parameters, consistency: 'crash' });
    expect(await again).toEqual({ state: 'succeeded', sequence: 1, consistency: 'filesystem' });
  } finally {
    await end();
  }
});
