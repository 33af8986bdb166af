// What a machine's administrator does to it while it is replicated.

import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { requireCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { firstDifference } from '../harness/disk-content.ts';
import { OrderedWriter } from '../harness/ordered-writer.ts';
import { scenario } from './scenario.ts';

const DISK_MEBIBYTES = 96;
const SHRUNK_BYTES = 64 * 1024 * 1024;
/** The manager is away for this long, for real. */
const AWAY_MILLISECONDS = 60_000;

scenario(
  'a disk that is mounted at two places is frozen once, and makes filesystem points under load',
  async (world) => {
    const disk = await world.disk('source', DISK_MEBIBYTES);
    await disk.format('ext4');
    const mountPoints = [await disk.mount(), await disk.mount()];
    const writer = OrderedWriter.start({
      folders: mountPoints.map((folder, index) => join(folder, `ordered-${index}`)),
    });
    world.cleanup.add('stop the writer', async () => writer.stop());
    const manager = await world.manager();
    await world.agent(manager, [disk]);
    await manager.waitForState('source', 'CONTINUOUS', '2m');
    expect((await manager.createPoint('source', 'filesystem')).consistency).toBe('filesystem');
    await writer.stop();
    for (const mountPoint of mountPoints) await disk.unmount(mountPoint);
    const { sequence } = await manager.createPoint('source', 'filesystem');
    expect(firstDifference(disk.device, await world.exportDisk(manager, sequence, disk.device))).toBeNull();
  },
);

scenario('staging that lies on the disk to be replicated is refused, and the disk is not written to', async (world) => {
  const disk = await world.disk('source', 1024);
  await disk.format('ext4');
  const mountPoint = await disk.mount();
  const manager = await world.manager({ dataFolder: join(mountPoint, 'manager') });
  const agent = await world.agent(manager, [disk]);
  await waitFor('the refusal to be told', async () => {
    const { detail } = await agent.status();
    return detail?.toLowerCase().includes('staging lies on the disk to be replicated') === true;
  });
  expect(await manager.points('source')).toEqual([]);
  // The manager's own files keep the disk busy.
  await agent.stop();
  await manager.stop();
  await disk.unmount(mountPoint);
});

scenario('points go on while the manager is away for a minute, and are told to it when it is back', async (world) => {
  const disk = await world.disk('source', DISK_MEBIBYTES);
  await disk.format('ext4');
  const mountPoint = await disk.mount();
  const writer = OrderedWriter.start({ folders: [join(mountPoint, 'ordered')] });
  world.cleanup.add('stop the writer', async () => writer.stop());
  const manager = await world.manager();
  const agent = await world.agent(manager, [disk]);
  await manager.waitForState('source', 'CONTINUOUS', '2m');
  const before = (await agent.status()).lastPoint?.sequence ?? 0;

  manager.process.signal('SIGSTOP');
  world.cleanup.add('let the manager go on', () => manager.process.signal('SIGCONT'));
  const awayUntil = performance.now() + AWAY_MILLISECONDS;
  await waitFor('a minute without the manager', () => performance.now() >= awayUntil, {
    timeoutMilliseconds: 2 * AWAY_MILLISECONDS,
  });
  await writer.stop();
  await disk.unmount(mountPoint);
  const during = await waitFor('a point without the manager', async () => {
    const sequence = (await agent.status()).lastPoint?.sequence ?? 0;
    return sequence > before ? sequence : undefined;
  });
  manager.process.signal('SIGCONT');

  await waitFor('the manager to know that point', async () =>
    (await manager.points('source')).some(({ sequence }) => sequence >= during),
  );
  const { sequence } = await manager.createPoint('source', 'crash');
  expect(firstDifference(disk.device, await world.exportDisk(manager, sequence, disk.device))).toBeNull();
});

scenario('a source disk that shrank makes no more points, says so, and keeps those that it has', async (world) => {
  const disk = await world.disk('source', DISK_MEBIBYTES);
  const manager = await world.manager();
  const agent = await world.agent(manager, [disk]);
  await manager.waitForState('source', 'CONTINUOUS', '2m');
  const { sequence } = await manager.createPoint('source', 'crash');
  truncateSync(disk.imagePath, SHRUNK_BYTES);
  await requireCommand('losetup', ['--set-capacity', disk.device]);
  const told = await waitFor('the change of size to be told', async () => {
    const { replicationState, detail } = await agent.status();
    return replicationState !== 'CONTINUOUS' && detail?.includes(disk.device) === true ? detail : undefined;
  });
  expect(told).toMatch(/size|smaller|shrank/);
  const refused = await manager.command('point', 'create', 'source', '--wait', '--timeout', '5s');
  expect(refused.exitCode).not.toBe(0);
  expect((await manager.points('source')).map((point) => point.sequence)).toContain(sequence);
});
