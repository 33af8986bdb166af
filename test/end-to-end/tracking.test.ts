// Changes are known from the kernel's events: little is read, and whoever tampers with the events is noticed.

import { join } from 'node:path';
import { expect } from '@jest/globals';
import { requireCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { readDiskCounters } from '../harness/disk-counters.ts';
import { firstDifference } from '../harness/disk-content.ts';
import type { Manager } from '../harness/manager.ts';
import type { LoopDisk } from '../harness/loop-disk.ts';
import { OutsideTraceInstance } from '../harness/trace-instance.ts';
import { scenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';

const DISK_MEBIBYTES = 256;
const CHANGED_MEBIBYTES = 24;
/** What is read may be this often what was changed: a block may be read again because it changed again. */
const READ_FACTOR = 4;

/** Random 64 KiB blocks, past the page cache; returns when the disk has them. */
async function change(disk: LoopDisk): Promise<void> {
  await requireCommand('fio', [
    ...['--name=change', `--filename=${disk.device}`, '--rw=randwrite', '--bs=64k', '--direct=1', '--ioengine=psync'],
    ...[`--size=${DISK_MEBIBYTES}m`, `--io_size=${CHANGED_MEBIBYTES}m`, '--refill_buffers', '--randrepeat=0'],
  ]);
}

async function expectEqual(world: Scenario, manager: Manager, disk: LoopDisk): Promise<void> {
  const { sequence } = await manager.createPoint('source', 'crash');
  expect(firstDifference(disk.device, await world.exportDisk(manager, sequence, disk.device))).toBeNull();
}

scenario('after the initial sync at most four times what was changed is read at the source', async (world) => {
  const disk = await world.disk('source', DISK_MEBIBYTES);
  await change(disk);
  const manager = await world.manager();
  const agent = await world.agent(manager, [disk]);
  await manager.waitForState('source', 'CONTINUOUS', '2m');
  await manager.createPoint('source', 'crash');
  const before = readDiskCounters(disk.device);
  await change(disk);
  const { sequence } = await manager.createPoint('source', 'crash');
  const after = readDiskCounters(disk.device);
  const written = after.bytesWritten - before.bytesWritten;
  expect(written).toBeGreaterThanOrEqual(CHANGED_MEBIBYTES * 1024 * 1024);
  expect(after.bytesRead - before.bytesRead).toBeLessThanOrEqual(READ_FACTOR * written);
  expect((await agent.status()).trackerLosses).toBe(0);
  expect((await agent.machine()).disks.map(({ tracker }) => tracker)).toEqual(['trace']);
  expect(firstDifference(disk.device, await world.exportDisk(manager, sequence, disk.device))).toBeNull();
});

scenario('an event type that somebody filters out is noticed as loss, and everything is compared', async (world) => {
  const disk = await world.disk('source', DISK_MEBIBYTES);
  await change(disk);
  const manager = await world.manager();
  const agent = await world.agent(manager, [disk]);
  await manager.waitForState('source', 'CONTINUOUS', '2m');
  const instance = await OutsideTraceInstance.open(join(world.folder, 'agent'), world.folder, world.cleanup);
  instance.write('events/block/block_rq_complete/filter', 'dev == 1');
  await change(disk);
  await waitFor('the loss to be noticed', async () => ((await agent.status()).trackerLosses ?? 0) > 0, {
    pollMilliseconds: 500,
  });
  await expectEqual(world, manager, disk);
});

scenario('a tracker that forgets some writes turns the comparison red', async (world) => {
  const disk = await world.disk('source', DISK_MEBIBYTES);
  const manager = await world.manager();
  const forgetful = new URL('./forgetful-tracker.ts', import.meta.url).href;
  await world.agent(manager, [disk], { NODE_OPTIONS: `--import=${forgetful}` });
  await manager.waitForState('source', 'CONTINUOUS', '2m');
  await manager.createPoint('source', 'crash');
  await change(disk);
  const { sequence } = await manager.createPoint('source', 'crash');
  expect(firstDifference(disk.device, await world.exportDisk(manager, sequence, disk.device))).not.toBeNull();
});
