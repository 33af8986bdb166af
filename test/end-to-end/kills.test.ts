// kill -9 of agent, replication server and manager at random moments, under ordered writers across two disks.

import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Agent } from '../harness/agent.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { firstDifference } from '../harness/disk-content.ts';
import { startFio } from '../harness/fio.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import type { Manager } from '../harness/manager.ts';
import { OrderedWriter, readOrderedFolder } from '../harness/ordered-writer.ts';
import { seededChoice } from '../harness/seed.ts';
import type { SeededChoice } from '../harness/seed.ts';
import { scenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';

const KILLS_OF_EACH = 2;
const VICTIMS = ['agent', 'replication-server', 'manager'] as const;
type Victim = (typeof VICTIMS)[number];
/** A kill comes after so many more entries of the ordered writer, at most: from at once to a few seconds. */
const ENTRIES_BETWEEN_KILLS = 120;

async function kill(victim: Victim, manager: Manager, agent: Agent): Promise<void> {
  if (victim === 'agent') {
    await agent.process.kill();
    agent.start();
  } else if (victim === 'manager') {
    await manager.process.kill();
    await manager.start();
  } else {
    const { components } = await manager.ask(async (api, signal) => api.status(signal));
    const pid = components.find(({ name }) => name === 'replication-server')?.pid ?? null;
    // Between two lives of a replication server that the controller starts anew there is none to kill.
    if (pid !== null) process.kill(pid, 'SIGKILL');
  }
}

function shuffledKills(choice: SeededChoice): Victim[] {
  const kills = VICTIMS.flatMap((victim) => Array.from({ length: KILLS_OF_EACH }, () => victim));
  for (let last = kills.length - 1; last > 0; last--) {
    const other = choice.below(last + 1);
    [kills[last], kills[other]] = [kills[other] as Victim, kills[last] as Victim];
  }
  return kills;
}

/** Mounts copies of both images and reads what the ordered writer left on them. */
async function readOrderAcross(world: Scenario, images: readonly string[]): Promise<readonly number[]> {
  const mounts = new Cleanup();
  const entries: number[] = [];
  try {
    for (const [index, image] of images.entries()) {
      const disk = await LoopDisk.attach(image, {
        folder: world.folder,
        name: `check-${index}`,
        sizeBytes: 0,
        cleanup: mounts,
      });
      const content = await readOrderedFolder(join(await disk.mount(), 'ordered'));
      expect(content.problems).toEqual([]);
      entries.push(content.entries);
    }
  } finally {
    expect(await mounts.run()).toEqual([]);
  }
  return entries;
}

scenario(
  'after kills at random moments every point is of one instant, and the last one equals the disks',
  async (world) => {
    const choice = seededChoice('kills');
    const disks = [await world.disk('first', 160), await world.disk('second', 96)];
    const mountPoints: string[] = [];
    for (const disk of disks) {
      await disk.format('ext4');
      mountPoints.push(await disk.mount());
    }
    const writer = OrderedWriter.start({ folders: mountPoints.map((mountPoint) => join(mountPoint, 'ordered')) });
    world.cleanup.add('stop the writer', async () => writer.stop());
    const fio = startFio({
      target: join(mountPoints[0] ?? '', 'fio.data'),
      sizeMebibytes: 48,
      rateMebibytesPerSecond: 4,
      blockKibibytes: 64,
      logPath: join(world.logFolder, 'fio.log'),
    });
    world.cleanup.add('end fio', async () => fio.end());

    const manager = await world.manager();
    const agent = await world.agent(manager, disks);
    const kills = shuffledKills(choice);
    // The first kill falls into the initial sync.
    for (const victim of kills) {
      const until = writer.completed + choice.below(ENTRIES_BETWEEN_KILLS);
      await waitFor('the writer to go on', () => writer.completed >= until);
      process.stderr.write(`kills: ${victim} after ${writer.completed} entries\n`);
      await kill(victim, manager, agent);
    }

    await manager.waitForState('source', 'CONTINUOUS', '2m');
    const durableBefore = writer.completed;
    const underLoad = await manager.createPoint('source', 'filesystem');
    const images: string[] = [];
    for (const disk of disks) images.push(await world.exportDisk(manager, underLoad.sequence, disk.device));
    await fio.end();
    await writer.stop();
    for (const [index, disk] of disks.entries()) await disk.unmount(mountPoints[index] ?? '');
    const atRest = await manager.createPoint('source', 'filesystem');
    for (const disk of disks) {
      const image = await world.exportDisk(manager, atRest.sequence, disk.device);
      expect(firstDifference(disk.device, image)).toBeNull();
    }

    const [first = 0, second = 0] = await readOrderAcross(world, images);
    expect(first).toBeGreaterThanOrEqual(durableBefore);
    expect([0, 1]).toContain(first - second);
    const machine = await agent.machine();
    expect(machine.disks.map(({ tracker }) => tracker)).toEqual(['trace', 'trace']);
  },
);
