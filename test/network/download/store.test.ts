// The package from a bucket of a real S3 server: by a redirect to it, and through a manager that alone reaches it.

import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand } from '../../harness/command.ts';
import type { Host } from '../../harness/network/host.ts';
import { BUCKET, ObjectStore } from '../../harness/object-store.ts';
import {
  createMachine,
  createWorld,
  letThrough,
  managerRules,
  othersTried,
  startManager,
  type World,
} from './world.ts';

const TOOLS = join(import.meta.dirname, '../../../.tools/agent-packages');
// 46 MB are loaded, unpacked and started, also where the machine has other things to do.
jest.setTimeout(300_000);

const cleanup = new Cleanup();
let world: World;
let storeHost: Host;
let environment: Readonly<Record<string, string>>;

beforeAll(async () => {
  await requireCommand('node', ['scripts/agent-package/main.ts']);
  world = await createWorld(cleanup);
  storeHost = await world.network.addHost('store');
  const store = await ObjectStore.start({ folder: world.folder, cleanup, host: storeHost });
  // The manager has the list alone.
  const packages = join(world.folder, 'packages');
  mkdirSync(packages);
  copyFileSync(join(TOOLS, 'index.json'), join(packages, 'index.json'));
  for (const name of readdirSync(TOOLS).filter((file) => file.endsWith('.tar.gz')))
    copyFileSync(join(TOOLS, name), join(store.bucketFolder, name));
  environment = {
    LMS_AGENT_PACKAGES: packages,
    LMS_AGENT_BUCKET: BUCKET,
    LMS_AGENT_BUCKET_ENDPOINT: store.endpoint,
    LMS_AGENT_BUCKET_CREDENTIALS: store.credentialsFolder,
  };
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test.each([
  ['redirect', 'curl', 'source'],
  ['stream', 'wget', 'manager'],
] as const)('%s: the line installs with %s, and the store is asked by the %s', async (delivery, loader, asks) => {
  const asking = asks === 'source' ? world.source : world.managerHost;
  const toStore = `ip saddr ${asking.address} ip daddr ${storeHost.address} tcp dport 7070 counter accept`;
  await letThrough(world, ...managerRules(world), toStore);
  const manager = await startManager(world, { ...environment, LMS_AGENT_BUCKET_DELIVERY: delivery });
  const machine = await createMachine(world, loader);
  const before = await machine.files();
  const { installCommand } = await manager.createToken();
  const installed = await machine.type(`${installCommand} --disk ${world.disk.device} --name ${delivery} --no-start`);
  expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await manager.machine(delivery)).name).toBe(delivery);
  const rules = await world.network.router.run('nft', 'list', 'table', 'inet', 'cut');
  expect(/dport 7070 counter packets (\d+)/.exec(rules)?.[1]).not.toBe('0');
  expect(await othersTried(world)).toBe(false);
  expect(await machine.type('lms-agent uninstall --state-dir /var/lib/lms-agent')).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  expect(await machine.files()).toEqual(before);
  await manager.stop();
});
