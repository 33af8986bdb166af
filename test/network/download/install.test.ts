// The line that `lms token create` prints, typed on a machine that has nothing but a shell, tar, gzip and curl, and reaches
// nothing but 443 and 1500 of the manager.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { BareMachine } from './bare-machine.ts';

const cleanup = new Cleanup();
let manager: Manager;
let network: TestNetwork;
let machine: BareMachine;
let disk: LoopDisk;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lms-download-'));
  cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
  network = await TestNetwork.create({ folder, cleanup });
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
  disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 32 * 1024 * 1024, cleanup });
  manager = await Manager.create({ dataFolder: join(folder, 'manager'), logFolder, cleanup, host });
  machine = await BareMachine.create({ folder, host: source, loader: 'curl', cleanup });
  cleanup.add('uninstall', async () => {
    await machine.type('[ ! -e /usr/local/bin/lms-agent ] || lms-agent uninstall --state-dir /var/lib/lms-agent');
  });
  await manager.start();
});

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test('the printed line installs, joins and replicates; typed twice it changes nothing; uninstall leaves nothing', async () => {
  const before = await machine.files();
  const { installCommand } = await manager.createToken();
  const first = await machine.type(`${installCommand} --disk ${disk.device} --name bare`);
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(first.stdout).toContain('Installed in /opt/live-migration-service/agent-');
  await manager.waitForState('bare', 'CONTINUOUS');

  const second = await machine.type(`${installCommand} --disk ${disk.device} --name bare`);
  expect(second).toMatchObject({ exitCode: 0, stderr: '' });
  expect(second.stdout).toContain('has joined already');
  await manager.waitForState('bare', 'CONTINUOUS');

  const gone = await machine.type('lms-agent -o json uninstall --state-dir /var/lib/lms-agent');
  expect(gone).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await machine.files()).toEqual(before);
  expect(machine.list('run')).toEqual([]);
  expect(await network.router.run('nft', 'list', 'counter', 'inet', 'cut', 'other')).toContain('packets 0');
});
