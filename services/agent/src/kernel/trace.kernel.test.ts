/** On the real kernel, as root: what the trace instance promises (R2 to R5). */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { closeSync, constants, openSync, readSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceInstance } from '../core/ports.ts';
import { openSourceDisks, openTraceInstance, removeTraceInstance, type OpenSourceDisk } from './index.ts';
import { TestMachine, run, until, writeDirect, writeText } from './testing/loop-disks.ts';
import { RecordingVisitor, totalSectors } from './testing/recording-visitor.ts';
import { mountedTracefs } from './trace/tracefs.ts';
import { MarkerWriter } from './trace/marker-writer.ts';

const MIB = 1024 * 1024;
let machine: TestMachine;
let counter = 0;

beforeEach(() => {
  machine = new TestMachine();
});

afterEach(async () => {
  await machine.cleanup();
});

async function openDisk(device: string): Promise<OpenSourceDisk> {
  const [disk] = await openSourceDisks([device]);
  if (disk === undefined) throw new Error('no disk was opened');
  machine.onCleanup(() => disk.close());
  return disk;
}

function uniqueName(): string {
  const name = `lms-test-${process.pid}-${counter++}`;
  machine.onCleanup(() => void removeTraceInstance(name));
  return name;
}

interface Tracing {
  readonly trace: TraceInstance;
  readonly name: string;
  readonly folder: string;
  readonly close: () => Promise<void>;
}

async function startTracing(
  disks: readonly OpenSourceDisk[],
  options: { readonly name?: string; readonly mode?: 'adopt' | 'fresh'; readonly bufferSizeKib?: number } = {},
): Promise<Tracing> {
  const name = options.name ?? uniqueName();
  const trace = await openTraceInstance({ mode: 'fresh', ...options, name, disks });
  let open = true;
  const close = async (): Promise<void> => {
    if (open) await trace.close();
    open = false;
  };
  machine.onCleanup(close);
  return { trace, name, folder: join(mountedTracefs() ?? '', 'instances', name), close };
}

async function traceOne(sizeBytes = 64 * MIB): Promise<Tracing & { device: string; disk: OpenSourceDisk }> {
  const device = machine.loopDisk(sizeBytes);
  const disk = await openDisk(device);
  return { device, disk, ...(await startTracing([disk])) };
}

test('every write of a load is seen issued and completed exactly once, with its place', async () => {
  const { device, trace } = await traceOne(256 * MIB);
  const visitor = new RecordingVisitor();
  const writes = 40_000;
  const drainer = setInterval(() => visitor.drain(trace), 10);
  machine.onCleanup(() => clearInterval(drainer));
  const fio = machine.spawn(
    'fio',
    '--name=load',
    `--filename=${device}`,
    '--rw=randwrite',
    '--bs=4k',
    '--direct=1',
    '--ioengine=libaio',
    '--iodepth=16',
    `--number_ios=${writes}`,
    '--randrepeat=1',
    '--norandommap',
    '--size=256m',
    '--io_size=1g',
  );
  await new Promise((resolve) => fio.once('exit', resolve));
  clearInterval(drainer);
  await trace.writeMarkers(1, 5000);
  visitor.drain(trace);
  expect(visitor.losses).toEqual([]);
  expect(trace.difference()).toBeNull();
  expect(totalSectors(visitor.of('complete', 'write'))).toBe(writes * 8);
  expect(totalSectors(visitor.of('issue', 'write'))).toBe(writes * 8);
  const places = (events: readonly { sector: number }[]): number[] =>
    events.map((event) => event.sector).sort((a, b) => a - b);
  expect(places(visitor.of('complete', 'write'))).toEqual(places(visitor.of('issue', 'write')));
  for (const processor of trace.processors) {
    expect(trace.statistics(processor)).toMatchObject({ overrun: 0, commitOverrun: 0, droppedEvents: 0 });
  }
});

test('`read events` grows exactly with what was handed out, time extensions and wrapped pages included', async () => {
  const { device, trace } = await traceOne();
  const visitor = new RecordingVisitor();
  const readEvents = (): number => trace.processors.reduce((sum, one) => sum + trace.statistics(one).readEvents, 0);
  const before = readEvents();
  for (let round = 0; round < 20; round++) {
    writeDirect(device, round * 8, 4);
    visitor.drain(trace);
    expect(readEvents() - before).toBe(visitor.events.length + visitor.markers.length);
  }
  expect(visitor.events.length).toBeGreaterThanOrEqual(160);
  expect(visitor.losses).toEqual([]);
});

test('reads do not come through, except the canary', async () => {
  const { device, disk, trace } = await traceOne();
  const visitor = new RecordingVisitor(trace, disk.deviceNumber);
  run('dd', `if=${device}`, 'of=/dev/null', 'bs=4k', 'count=100', 'iflag=direct');
  const canary = await trace.sendCanary(disk);
  visitor.drain(trace);
  const completed = visitor.of('complete', 'read');
  expect(completed.map((event) => event.sector)).toContain(canary.sector);
  expect(completed.every((event) => event.sector >= canary.sector)).toBe(true);
  expect(totalSectors(completed)).toBe(canary.sectorCount);
  expect(visitor.events.every((event) => event.operation === 'read')).toBe(true);
});

test('writes of other disks do not come through', async () => {
  const { trace } = await traceOne();
  const other = machine.loopDisk(16 * MIB);
  writeDirect(other, 10);
  // Discards of the machine's own disk may come as queue events, whatever the filter.
  const { events } = new RecordingVisitor().drain(trace);
  expect(events.filter((event) => event.kind !== 'queue')).toEqual([]);
});

test('a discard is seen queued and completed, on the disk and through a partition, relative to the whole disk', async () => {
  const { device, disk, trace } = await traceOne();
  const partition = machine.partition(device, 2048, 65_536);
  const visitor = new RecordingVisitor(trace, disk.deviceNumber);
  run('blkdiscard', '-f', '-o', String(32 * MIB), '-l', String(MIB), device);
  run('blkdiscard', '-f', '-o', String(MIB), '-l', String(MIB), partition);
  visitor.drain(trace);
  const ranges = [
    { sector: 65_536, sectorCount: 2048 },
    { sector: 4096, sectorCount: 2048 },
  ];
  for (const kind of ['queue', 'complete'] as const) {
    const discards = visitor.of(kind, 'discard');
    for (const range of ranges) expect(discards).toContainEqual(expect.objectContaining(range));
    expect(discards).toHaveLength(2);
  }
});

test('the sectors of completed discards are those that were queued, also when thousands come at once', async () => {
  const { device, disk, trace } = await traceOne(256 * MIB);
  const mount = machine.mount(device, 'ext4', 'discard');
  const visitor = new RecordingVisitor(trace, disk.deviceNumber).drain(trace);
  run(
    'sh',
    '-c',
    `i=0; while [ $i -lt 2000 ]; do head -c 8192 /dev/urandom > ${mount}/$i; i=$((i+1)); done; sync -f ${mount}`,
  );
  run('sh', '-c', `rm -f ${mount}/*[02468]; sync -f ${mount}; rm -f ${mount}/*; sync -f ${mount}; fstrim ${mount}`);
  // ext4 discards in the background: the last ones may come after the sync has returned.
  await until('as much was discarded as was queued', () => {
    visitor.drain(trace);
    return totalSectors(visitor.of('complete', 'discard')) === totalSectors(visitor.of('queue', 'discard'));
  });
  run('umount', mount);
  run('mount', device, mount);
  visitor.drain(trace);
  expect(disk.writesInFlight()).toBe(0);
  expect(visitor.losses).toEqual([]);
  expect(visitor.of('queue', 'discard').length).toBeGreaterThan(10);
  expect(totalSectors(visitor.of('complete', 'discard'))).toBe(totalSectors(visitor.of('queue', 'discard')));
});

test('write-zeroes are seen queued and completed as an operation that marks', async () => {
  const { device, disk, trace } = await traceOne();
  const visitor = new RecordingVisitor(trace, disk.deviceNumber);
  run('blkdiscard', '-f', '-z', '-o', String(8 * MIB), '-l', String(MIB), device);
  visitor.drain(trace);
  const range = { sector: 16_384, sectorCount: 2048 };
  expect(visitor.of('queue', 'other')).toContainEqual(expect.objectContaining(range));
  expect(visitor.of('complete', 'other')).toContainEqual(expect.objectContaining(range));
});

test('a write through a partition is reported for the whole disk, relative to it', async () => {
  const { device, disk, trace } = await traceOne();
  const partition = machine.partition(device, 2048, 65_536);
  writeDirect(partition, 1);
  const visitor = new RecordingVisitor().drain(trace);
  expect(visitor.of('complete', 'write')).toEqual([
    { kind: 'complete', deviceNumber: disk.deviceNumber, sector: 2056, sectorCount: 8, operation: 'write' },
  ]);
  const status = run('cat', `/sys/class/block/${partition.slice('/dev/'.length)}/dev`)
    .trim()
    .split(':')
    .map(Number);
  expect(trace.wholeDisk((status[0] as number) * 2 ** 20 + (status[1] as number))).toBe(disk.deviceNumber);
  expect(trace.wholeDisk(4095 * 2 ** 20)).toBeNull();
});

test('flushes and the second completion of a FUA write are flushes, not writes without a length', async () => {
  const { device, trace } = await traceOne();
  run('dd', 'if=/dev/zero', `of=${device}`, 'bs=4k', 'count=4', 'oflag=direct,dsync', 'conv=notrunc,fsync');
  const visitor = new RecordingVisitor().drain(trace);
  expect(totalSectors([...visitor.of('complete', 'write'), ...visitor.of('complete', 'flushWrite')])).toBe(32);
  expect(visitor.events.filter((event) => event.sectorCount === 0 && event.operation !== 'flush')).toEqual([]);
  expect(visitor.losses).toEqual([]);
});

test('a marker comes through every ring, behind every write that was done before it', async () => {
  const { device, trace } = await traceOne();
  const last = Math.max(...trace.processors);
  for (let marker = 1; marker <= 30; marker++) {
    const processor = marker % 2 === 0 ? 0 : last;
    run(
      'taskset',
      '-c',
      String(processor),
      'dd',
      'if=/dev/zero',
      `of=${device}`,
      'bs=4k',
      'count=1',
      `seek=${marker}`,
      'oflag=direct',
      'conv=notrunc',
    );
    await trace.writeMarkers(marker, 5000);
    for (const one of trace.processors) {
      const visitor = new RecordingVisitor();
      trace.readEvents(one, visitor);
      expect(visitor.markers).toEqual([marker]);
    }
  }
  expect(trace.difference()).toBeNull();
});

test('a processor that cannot be reached fails the marker, and so do markers after the end', async () => {
  const { folder } = await traceOne();
  const writer = new MarkerWriter(folder, [0, 4095]);
  try {
    await expect(writer.write(1, 5000)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('4095'),
    });
  } finally {
    await writer.close();
  }
  await expect(writer.write(2, 5000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

async function elapsed(moment: number): Promise<false> {
  while (performance.now() < moment) await new Promise(setImmediate);
  return false;
}

test('closed while its thread still loads, nothing breaks', async () => {
  const { folder } = await traceOne();
  // Each a little later in the start than the one before, until one got far enough to write.
  for (let step = 0, started = false; !started; step++) {
    const writer = new MarkerWriter(folder, [0]);
    const written = writer.write(1, 5000).then(
      () => true,
      () => false,
    );
    started = await Promise.race([written, elapsed(performance.now() + step / 2)]);
    await writer.close();
  }
});

test('an overrun ring says so, in its statistics and in its pages', async () => {
  const device = machine.loopDisk(64 * MIB);
  const disk = await openDisk(device);
  const { trace } = await startTracing([disk], { bufferSizeKib: 8 });
  writeDirect(device, 0, 2000);
  const visitor = new RecordingVisitor().drain(trace);
  const overrun = trace.processors.reduce((sum, one) => sum + trace.statistics(one).overrun, 0);
  expect(overrun).toBeGreaterThan(0);
  expect(visitor.losses.join()).toContain('the kernel dropped');
});

test('an instance that is open cannot be removed; one that is gone is not adopted', async () => {
  const { disk, trace, name, folder, close } = await traceOne();
  expect(() => rmdirSync(folder)).toThrow('EBUSY');
  expect(trace.difference()).toBeNull();
  await close();
  rmdirSync(folder);
  const again = await startTracing([disk], { name, mode: 'adopt' });
  expect(again.trace.adopted).toBe(false);
});

const TAMPERING: readonly (readonly [what: string, tamper: (folder: string, device: string) => void])[] = [
  ['tracing switched off', (folder) => writeText(`${folder}/tracing_on`, '0')],
  [
    'tracing switched off and on again',
    (folder) => {
      writeText(`${folder}/tracing_on`, '0');
      writeText(`${folder}/tracing_on`, '1');
    },
  ],
  ['another filter', (folder) => writeText(`${folder}/events/block/block_rq_complete/filter`, 'dev==1')],
  ['an event switched off', (folder) => writeText(`${folder}/events/block/block_rq_issue/enable`, '0')],
  ['all block events switched on', (folder) => writeText(`${folder}/events/block/enable`, '1')],
  ['a ring cleared', (folder) => writeText(`${folder}/trace`, '')],
  ['one ring cleared', (folder) => writeText(`${folder}/per_cpu/cpu0/trace`, '')],
  ['a ring resized', (folder) => writeText(`${folder}/buffer_size_kb`, '100')],
  ['a processor left out', (folder) => writeText(`${folder}/tracing_cpumask`, '1')],
  ['processes left out', (folder) => writeText(`${folder}/set_event_pid`, '1')],
  ['markers switched off', (folder) => writeText(`${folder}/options/markers`, '0')],
  ['a trigger', (folder) => writeText(`${folder}/events/block/block_rq_issue/trigger`, 'traceoff:1')],
];

test.each(TAMPERING)('%s is noticed', async (_, tamper) => {
  const { device, trace, folder } = await traceOne(4 * MIB);
  expect(trace.difference()).toBeNull();
  tamper(folder, device);
  expect(trace.difference()).toEqual(expect.any(String));
});

test('events that somebody else took from a ring are noticed', async () => {
  const { device, trace, folder } = await traceOne();
  writeDirect(device, 0, 4);
  expect(trace.difference()).toBeNull();
  const page = Buffer.alloc(4096);
  let stolen = 0;
  for (const processor of trace.processors) {
    const thief = openSync(
      `${folder}/per_cpu/cpu${processor}/trace_pipe_raw`,
      constants.O_RDONLY | constants.O_NONBLOCK,
    );
    try {
      stolen += readSync(thief, page);
    } catch {
      continue; // nothing was in this ring
    } finally {
      closeSync(thief);
    }
  }
  expect(stolen).toBeGreaterThan(0);
  new RecordingVisitor().drain(trace);
  expect(trace.difference()).toMatch(/handed out \d+ events, of which \d+ came here/);
});

test('an event that is not ours is a loss, not a silence', async () => {
  const { trace, folder } = await traceOne();
  writeText(`${folder}/trace_marker`, 'hello');
  expect(new RecordingVisitor().drain(trace).losses).toEqual([expect.stringContaining('an event that is not ours')]);
});

test('an adopted instance hands out what was recorded while nobody read', async () => {
  const { device, disk, name, trace, close } = await traceOne();
  writeDirect(device, 1);
  new RecordingVisitor().drain(trace);
  const saved = trace.processors.map((processor) => trace.statistics(processor).readEvents);
  await close();
  writeDirect(device, 5);
  const { trace: again } = await startTracing([disk], { name, mode: 'adopt' });
  expect(again.adopted).toBe(true);
  expect(again.processors.map((processor) => again.statistics(processor).readEvents)).toEqual(saved);
  const visitor = new RecordingVisitor().drain(again);
  expect(visitor.of('complete', 'write').map((event) => event.sector)).toEqual([40]);
  expect(again.difference()).toBeNull();
});

test('an instance for other disks, or one that was changed, is made anew', async () => {
  const { disk, name, folder, close } = await traceOne();
  await close();
  const second = await openDisk(machine.loopDisk(4 * MIB));
  const both = await startTracing([disk, second], { name, mode: 'adopt' });
  expect(both.trace.adopted).toBe(false);
  await both.close();
  writeText(`${folder}/tracing_on`, '0');
  const healed = await startTracing([disk, second], { name, mode: 'adopt' });
  expect(healed.trace.adopted).toBe(false);
  expect(healed.trace.difference()).toBeNull();
});

test('a second process cannot take the instance away from the first', async () => {
  const { disk, name } = await traceOne();
  await expect(openTraceInstance({ name, disks: [disk], mode: 'fresh' })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringContaining('in use by another process'),
  });
});

test('removal says what it removed, and removes nothing twice', async () => {
  const { name, close } = await traceOne();
  await close();
  expect(removeTraceInstance(name)[0]).toBe(`trace instance ${name}`);
  expect(removeTraceInstance(name).some((removed) => removed.startsWith('trace instance'))).toBe(false);
});
