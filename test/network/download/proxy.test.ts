// The printed line on a machine that reaches 443 by a proxy only: with a user and a password, and one that looks into TLS.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { CertificateAuthority } from '@lms/identity';
import { Cleanup } from '../../harness/cleanup.ts';
import type { Manager } from '../../harness/manager.ts';
import { Squid } from '../proxy/squid.ts';
import { createMachine, createWorld, letThrough, othersTried, startManager, type World } from './world.ts';

// 46 MB are loaded, unpacked and started, also where the machine has other things to do.
jest.setTimeout(300_000);

const USER = 'kim';
const PASSWORD = 'open sesame';

const cleanup = new Cleanup();
let world: World;
let manager: Manager;
let squid: Squid;
let inspecting: Squid;
let inspectingCaPem: string;

beforeAll(async () => {
  world = await createWorld(cleanup);
  const proxy = await world.network.addHost('proxy');
  const inspector = await world.network.addHost('inspector');
  const authority = await CertificateAuthority.create();
  inspectingCaPem = authority.certificatePem;
  const { source, managerHost } = world;
  await letThrough(
    world,
    'ct state established accept',
    `ip saddr ${source.address} ip daddr { ${proxy.address}, ${inspector.address} } tcp dport 3128 accept`,
    `ip saddr { ${proxy.address}, ${inspector.address} } ip daddr ${managerHost.address} tcp dport 443 accept`,
    `ip saddr ${source.address} ip daddr ${managerHost.address} tcp dport 1500 accept`,
  );
  squid = await Squid.start({ host: proxy, cleanup, users: { [USER]: encodeURIComponent(PASSWORD) } });
  inspecting = await Squid.start({ host: inspector, cleanup, inspectsAs: authority });
  manager = await startManager(world);
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

const UNINSTALL = 'lms-agent uninstall --state-dir /var/lib/lms-agent';

test('by a proxy with a password: loaded, joined and replicating, and no packet went another way', async () => {
  const machine = await createMachine(world, 'curl');
  const before = await machine.files();
  const { installCommand } = await manager.createToken();
  const line = `${installCommand} --disk ${world.disk.device} --name by-proxy`;
  const unknown = await machine.type(line, { https_proxy: squid.url });
  expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('407') });
  expect(await machine.files()).toEqual(before);

  const https_proxy = squid.url.replace('//', `//${USER}:${encodeURIComponent(PASSWORD)}@`);
  const installed = await machine.type(line, { https_proxy });
  expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(installed.stdout).not.toContain(PASSWORD);
  await manager.waitForState('by-proxy', 'CONTINUOUS');
  expect(await othersTried(world)).toBe(false);
  expect(await machine.type(UNINSTALL)).toMatchObject({ exitCode: 0 });
  expect(await machine.files()).toEqual(before);
});

test('by a proxy that looks into TLS: refused, until its CA is named', async () => {
  const machine = await createMachine(world, 'wget');
  writeFileSync(join(machine.root, 'etc/proxy-ca.pem'), inspectingCaPem);
  const before = await machine.files();
  const { installCommand } = await manager.createToken();
  const line = `${installCommand} --disk ${world.disk.device} --name inspected --no-start`;
  const refused = await machine.type(line, { https_proxy: inspecting.url });
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('name its CA with --proxy-ca FILE') });
  expect(await machine.files()).toEqual(before);

  const installed = await machine.type(`${line} --proxy-ca /etc/proxy-ca.pem`, { https_proxy: inspecting.url });
  expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await othersTried(world)).toBe(false);
  expect(await machine.type(UNINSTALL)).toMatchObject({ exitCode: 0 });
  expect(await machine.files()).toEqual(before);
});
