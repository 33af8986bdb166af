import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { cycleRates, uniqueBlocks, writtenBytes } from '@lms/bandwidth-model';
import { openTraceInstance, openUnidentifiedDisks, traceInstanceNames } from '../kernel/index.ts';
import { TestMachine, until, writeDirect } from '../kernel/testing/loop-disks.ts';
import { measureMachine } from './measure-machine.ts';
import { loadMeasurement, saveMeasurement } from './measurement.ts';
import { removeLeftInstances } from './own-instance.ts';

const MEBIBYTE = 1024 * 1024;
const BLOCKS_OF_4K_IN_64K = 16;
const machine = new TestMachine();
afterEach(() => machine.cleanup());

function ownInstances(): string[] {
  return traceInstanceNames().filter((name) => name.startsWith('lms-bandwidth-'));
}

/** Measures until `work`, which begins when the measurement runs, is done; `work` is to take a part of that time. */
async function measureWhile(device: string, work: () => void) {
  let began = false;
  const ended = new AbortController();
  const measuring = measureMachine({
    devices: [device],
    durationSeconds: 600,
    progress: (seconds) => {
      began ||= seconds > 0;
    },
    signal: ended.signal,
  });
  try {
    await until('the measurement runs', () => began);
    work();
    began = false;
    await until('a tick more is over', () => began);
  } finally {
    ended.abort();
  }
  return measuring;
}

test('a block that is rewritten counts once, and each of its writes as written', async () => {
  const device = machine.loopDisk(64 * MEBIBYTE);
  const measurement = await measureWhile(device, () => {
    for (let round = 0; round < 5; round++) writeDirect(device, 4 * BLOCKS_OF_4K_IN_64K);
    writeDirect(device, 40 * BLOCKS_OF_4K_IN_64K, 2 * BLOCKS_OF_4K_IN_64K);
  });
  const [disk] = measurement.disks;
  if (disk === undefined) throw new Error('no disk was measured');
  expect(uniqueBlocks(disk.series, 0, disk.series.ticks.length)).toBe(3);
  expect(writtenBytes(disk.series)).toBe((5 + 2 * BLOCKS_OF_4K_IN_64K) * 4096);
  expect(cycleRates(disk.series, 1_000)).toHaveLength(1);
  expect(measurement.endedEarly).toBe('it was interrupted');
  expect(measurement.mountedFileSystems).toBe(0);
  expect(ownInstances()).toEqual([]);
});

test('what compresses and what does not are told apart, and zeros cost nothing', async () => {
  const device = machine.loopDisk(16 * MEBIBYTE);
  const file = openSync(device, 'r+');
  writeSync(file, randomBytes(8 * MEBIBYTE), 0, 8 * MEBIBYTE, 0);
  fsyncSync(file);
  closeSync(file);
  const measurement = await measureMachine({
    devices: [device],
    durationSeconds: 1,
    progress: () => undefined,
    signal: new AbortController().signal,
  });
  // Half of the disk is random, half was never written.
  expect(measurement.disks[0]?.presentRatio).toBeGreaterThan(0.4);
  expect(measurement.disks[0]?.presentRatio).toBeLessThan(0.6);
  expect(measurement.disks[0]?.writtenRatio).toBeNull();
  const path = join(machine.folder(), 'measurement.json');
  await saveMeasurement(path, measurement);
  expect(await loadMeasurement(path)).toMatchObject({ startedAt: measurement.startedAt, disks: measurement.disks });
});

test('what a killed measurement left is removed by the next one', async () => {
  const device = machine.loopDisk(4 * MEBIBYTE);
  const disks = await openUnidentifiedDisks([device]);
  machine.onCleanup(async () => {
    await Promise.all(disks.map((disk) => disk.close()));
  });
  const { pid } = spawnSync('true');
  const left = await openTraceInstance({ name: `lms-bandwidth-${pid}`, disks, mode: 'fresh' });
  expect(removeLeftInstances()).toEqual([]);
  await left.close();
  expect(removeLeftInstances()).toEqual([`trace instance lms-bandwidth-${pid}`]);
  expect(ownInstances()).toEqual([]);
});
