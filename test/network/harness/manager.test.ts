import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { TestNetwork } from '../../harness/network/network.ts';

const cleanup = new Cleanup();

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test('A machine replicates to a manager on another host, by 443 and 1500 and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lms-network-'));
  cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
  const network = await TestNetwork.create({ folder, cleanup });
  const source = await network.addHost('source');
  const host = await network.addHost('manager');
  await network.router.nft(`table inet cut {
    chain forward {
      type filter hook forward priority 0; policy drop;
      ct state established accept
      ip saddr ${source.address} ip daddr ${host.address} tcp dport { 443, 1500 } accept
      counter name other
    }
    counter other {}
  }`);
  const logFolder = join(folder, 'logs');
  await mkdir(logFolder);
  const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 32 * 1024 * 1024, cleanup });
  const manager = await Manager.create({ dataFolder: join(folder, 'manager'), logFolder, cleanup, host });
  await manager.start();
  await Agent.start({
    manager,
    name: 'source',
    disks: [disk.device],
    stateFolder: join(folder, 'agent'),
    logFolder,
    cleanup,
    place: source.place,
  });
  await manager.waitForState('source', 'CONTINUOUS');
  expect(await network.router.run('nft', 'list', 'counter', 'inet', 'cut', 'other')).toContain('packets 0');
});
