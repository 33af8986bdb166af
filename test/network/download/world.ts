// A source machine and a manager with a network between them that lets through only what a test names.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../../harness/cleanup.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import type { Host } from '../../harness/network/host.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { BareMachine, type Loader } from './bare-machine.ts';

export interface World {
  readonly folder: string;
  readonly cleanup: Cleanup;
  readonly network: TestNetwork;
  readonly source: Host;
  readonly managerHost: Host;
  readonly disk: LoopDisk;
}

export async function createWorld(cleanup: Cleanup): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'lms-download-'));
  cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
  const network = await TestNetwork.create({ folder, cleanup });
  const source = await network.addHost('source');
  const managerHost = await network.addHost('manager');
  await mkdir(join(folder, 'logs'));
  const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 32 * 1024 * 1024, cleanup });
  return { folder, cleanup, network, source, managerHost, disk };
}

/** Only what these rules accept is forwarded, and what else is tried is counted. */
export async function letThrough({ network }: World, ...rules: readonly string[]): Promise<void> {
  await network.router.nft(`table inet cut
  delete table inet cut
  table inet cut {
    counter other {}
    chain forward {
      type filter hook forward priority 0; policy drop;
      ${rules.join('\n')}
      counter name other
    }
  }`);
}

/** Answers, and what the source asks of the manager on its two ports. */
export function managerRules({ source, managerHost }: World): readonly string[] {
  return [
    'ct state established accept',
    `ip saddr ${source.address} ip daddr ${managerHost.address} tcp dport { 443, 1500 } accept`,
  ];
}

export async function othersTried({ network }: World): Promise<boolean> {
  return !(await network.router.run('nft', 'list', 'counter', 'inet', 'cut', 'other')).includes('packets 0 ');
}

/** Started; on 443 and 1500 of its host. */
export async function startManager(world: World, environment: Readonly<Record<string, string>> = {}): Promise<Manager> {
  const { folder, cleanup, managerHost: host } = world;
  const [dataFolder, logFolder] = [join(folder, 'manager'), join(folder, 'logs')];
  const manager = await Manager.create({ dataFolder, logFolder, cleanup, host, environment });
  await manager.start();
  return manager;
}

/** What is installed there is removed at the end, also where a test has failed in between. */
export async function createMachine(world: World, loader: Loader, host: Host = world.source): Promise<BareMachine> {
  const machine = await BareMachine.create({ ...world, host, loader });
  world.cleanup.add('uninstall', async () => {
    await machine.type('[ ! -e /usr/local/bin/lms-agent ] || lms-agent uninstall --state-dir /var/lib/lms-agent');
  });
  return machine;
}
