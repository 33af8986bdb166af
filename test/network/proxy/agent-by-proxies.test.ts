// Real proxies between an agent and a manager on hosts of their own: users, TLS that is looked into, proxies that go and come
// back, and changes while replication runs. Without a proxy there is no way from the machine to 443.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import type { CommandResult } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import type { Host } from '../../harness/network/host.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { LMS, LMS_AGENT, WITHOUT_PROXY } from '../../harness/operator.ts';
import { Squid } from './squid.ts';
import { startTinyproxy } from './tinyproxy.ts';

const TEST_MILLISECONDS = 240_000;
const MACHINE = 'behind-a-proxy';
const USER = 'kim';
const PASSWORD = 'open sesame';

const cleanup = new Cleanup();
const folder = mkdtempSync(join(tmpdir(), 'lms-proxies-'));
cleanup.add('remove the folder', () => rmSync(folder, { recursive: true }));
const passwordFile = join(folder, 'password');
const proxyCaFile = join(folder, 'proxy-ca.pem');
const inspectionCaFile = join(folder, 'inspection-ca.pem');

let source: Host;
let managerHost: Host;
let network: TestNetwork;
let manager: Manager;
let squid: Squid;
let inspecting: Squid;
let tinyproxy: string;
let disk: LoopDisk;
let agent: Agent;

beforeAll(async () => {
  network = await TestNetwork.create({ folder, cleanup });
  source = await network.addHost('source');
  managerHost = await network.addHost('manager');
  const [squidHost, inspectingHost, tinyproxyHost] = [
    await network.addHost('squid'),
    await network.addHost('inspecting'),
    await network.addHost('tinyproxy'),
  ];
  await network.router.nft(`table inet only {
    counter direct {}
    chain forward {
      type filter hook forward priority 0; policy accept;
      ip saddr ${source.address} ip daddr ${managerHost.address} tcp dport 443 counter name direct reject with tcp reset
      ip6 saddr ${source.address6} ip6 daddr ${managerHost.address6} tcp dport 443 counter name direct reject with tcp reset
    }
  }`);
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
  const authority = await CertificateAuthority.create();
  writeFileSync(inspectionCaFile, authority.certificatePem);
  const users = { [USER]: encodeURIComponent(PASSWORD) };
  squid = await Squid.start({ host: squidHost, cleanup, users, certificate: await certificateOf(squidHost) });
  inspecting = await Squid.start({ host: inspectingHost, cleanup, inspectsAs: authority });
  tinyproxy = await startTinyproxy({
    host: tinyproxyHost,
    folder: join(folder, 'tinyproxy'),
    cleanup,
    ports: [443, 1500],
  });
  const logFolder = join(folder, 'logs');
  mkdirSync(logFolder);
  // What comes first is what agents are told, for 443 and 1500.
  const names = ['--name', managerHost.address6, '--name', managerHost.address];
  const addresses = ['--listen', '[::]:443', '--block-stream', `[${managerHost.address6}]:1500`];
  manager = await Manager.create({
    dataFolder: join(folder, 'manager'),
    logFolder,
    cleanup,
    // Both kinds of addresses on 443, and IPv6 alone on 1500.
    host: { place: managerHost.place, address: managerHost.address, options: [...addresses, ...names] },
  });
  await manager.start();
  disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 32 * 1024 * 1024, cleanup });
  const enrolOptions = ['--proxy', squid.url, '--proxy-user', USER, '--proxy-password-file', passwordFile];
  agent = await Agent.start({
    manager,
    name: MACHINE,
    disks: [disk.device],
    stateFolder: join(folder, 'agent'),
    logFolder,
    cleanup,
    place: source.place,
    enrolOptions,
  });
  await manager.waitForState(MACHINE, 'CONTINUOUS');
}, TEST_MILLISECONDS);

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
}, TEST_MILLISECONDS);

async function certificateOf(host: Host): Promise<{ readonly cert: string; readonly key: string }> {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  writeFileSync(proxyCaFile, authority.certificatePem);
  const key = await createPrivateKeyPem();
  return { key, cert: await authority.issueGateway(await createCertificateRequest(key), [host.address]) };
}

let attempts = 0;

/** What another machine would see. Leaves nothing. */
async function tryToEnrol(url: string, options: readonly string[], environment = {}): Promise<CommandResult> {
  const { token, caSha256 } = await manager.createToken();
  const state = join(folder, 'another');
  const usual = ['--manager', url, '--ca-sha256', caSha256, '--token-stdin', '--state-dir', state];
  const words = ['enrol', ...usual, '--disk', disk.device, '--name', `another-${++attempts}`, ...options];
  const result = await source.try(LMS_AGENT, words, {
    input: token,
    environment: { ...WITHOUT_PROXY, ...environment },
  });
  await source.try(LMS_AGENT, ['uninstall', '--state-dir', state]);
  return result;
}

const managerUrl = (): string => `https://${managerHost.address}`;
const asUser = (file: string): string[] => ['--proxy-user', USER, '--proxy-password-file', file];

async function machineHeardAfter(instant: number): Promise<void> {
  await waitFor('the manager to hear from the machine', async () => {
    const { lastSeenAt } = (await manager.machine(MACHINE)).agent;
    return lastSeenAt !== null && Date.parse(lastSeenAt) > instant;
  });
}

test(
  'A password that is wrong or missing, and a port that is not allowed, are told apart, each exit 6',
  async () => {
    const wrong = join(folder, 'wrong-password');
    writeFileSync(wrong, 'wrong\n');
    for (const [options, message] of [
      [['--proxy', squid.url, ...asUser(wrong)], 'does not accept the user "kim"'],
      [['--proxy', squid.url], 'asks for a user and a password'],
    ] as const) {
      const { exitCode, stderr } = await tryToEnrol(managerUrl(), options);
      expect([exitCode, stderr]).toEqual([6, expect.stringContaining(message)]);
      expect(stderr).not.toContain(PASSWORD);
    }
    const forbidden = await tryToEnrol(`https://${managerHost.address}:8443`, ['--proxy', tinyproxy]);
    expect([forbidden.exitCode, forbidden.stderr]).toEqual([6, expect.stringContaining('does not allow connections')]);
  },
  TEST_MILLISECONDS,
);

test(
  'TLS that is looked into is an error that says so, and is let pass where its CA is named',
  async () => {
    const refused = await tryToEnrol(managerUrl(), ['--proxy', inspecting.url]);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('--proxy-ca')]);
    const letPass = await tryToEnrol(managerUrl(), ['--proxy', inspecting.url, '--proxy-ca', inspectionCaFile]);
    expect([letPass.exitCode, letPass.stderr]).toEqual([0, '']);
  },
  TEST_MILLISECONDS,
);

test(
  'By IPv6 to the proxy and from it to the manager, named by the environment',
  async () => {
    const proxy = squid.url6.replace('//', `//${USER}:${encodeURIComponent(PASSWORD)}@`);
    const url = `https://[${managerHost.address6}]`;
    const { exitCode, stderr, stdout } = await tryToEnrol(url, ['-o', 'json'], { https_proxy: proxy });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ managerUrl: url, proxy: { url: squid.url6, username: USER } });
    expect(stdout).not.toContain(PASSWORD);
  },
  TEST_MILLISECONDS,
);

test(
  'A proxy that is reached over TLS is believed by its CA, and by that alone',
  async () => {
    const refused = await agent.configure('--proxy', squid.secureUrl, ...asUser(passwordFile));
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('--proxy-ca')]);
    const taken = await agent.configure('--proxy', squid.secureUrl, ...asUser(passwordFile), '--proxy-ca', proxyCaFile);
    expect([taken.exitCode, taken.stderr]).toEqual([0, '']);
    await machineHeardAfter(Date.now());
    expect((await agent.configure('--proxy', squid.url, ...asUser(passwordFile))).exitCode).toBe(0);
  },
  TEST_MILLISECONDS,
);

test(
  'The state folder keeps the password for root alone, and status never shows it',
  async () => {
    const file = join(folder, 'agent/proxy.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain(PASSWORD);
    const status = await agent.status();
    expect(status).toMatchObject({ proxy: { url: squid.url, username: USER }, proxyInUse: true });
    expect(JSON.stringify(status)).not.toContain(PASSWORD);
    expect(agent.process.log()).not.toContain(PASSWORD);
  },
  TEST_MILLISECONDS,
);

test(
  'A way that does not lead to the manager is not taken, and the running agent goes on by the old one',
  async () => {
    const refused = await agent.configure('--proxy', `http://${managerHost.address}:9`);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('nothing was changed')]);
    expect((await agent.configure('--direct')).exitCode).toBe(6);
    expect(await agent.status()).toMatchObject({ proxy: { url: squid.url }, proxyInUse: true });
    await machineHeardAfter(Date.now());
  },
  TEST_MILLISECONDS,
);

test(
  'Another proxy is taken while it runs, and points go on; the proxy of before may then be gone',
  async () => {
    const { exitCode, stdout, stderr } = await agent.configure('--proxy', tinyproxy, '-o', 'json');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ proxy: { url: tinyproxy, username: null }, inUse: true });
    await squid.stop();
    await machineHeardAfter(Date.now());
    await manager.createPoint(MACHINE, 'crash');
    await squid.resume();
  },
  TEST_MILLISECONDS,
);

test(
  'A proxy that goes away is told by status, and when it is back the manager hears of the machine again',
  async () => {
    expect((await agent.configure('--proxy', squid.url, ...asUser(passwordFile))).exitCode).toBe(0);
    await squid.stop();
    await waitFor('status to say it', async () => {
      const { manager: contact } = await agent.status();
      return contact?.failure?.includes('cannot reach the proxy') === true;
    });
    await squid.resume();
    await machineHeardAfter(Date.now());
    expect((await agent.status()).manager?.failure).toBeNull();
  },
  TEST_MILLISECONDS,
);

test(
  '1500 too goes by a proxy where it has to, and back, in the same replication',
  async () => {
    const { exitCode, stderr } = await agent.configure('--block-stream-proxy', tinyproxy);
    expect([exitCode, stderr]).toEqual([0, '']);
    await waitFor('the session by the proxy', async () => {
      const connections = await source.run('ss', '--tcp', '--numeric', 'state', 'established');
      return !connections.includes(':1500') && (await agent.status()).connected;
    });
    await manager.createPoint(MACHINE, 'crash');
    expect((await agent.configure('--block-stream-direct')).exitCode).toBe(0);
    await waitFor('the session without it', async () =>
      (await source.run('ss', '--tcp', '--numeric', 'state', 'established')).includes(':1500'),
    );
    await manager.createPoint(MACHINE, 'crash');
  },
  TEST_MILLISECONDS,
);

test(
  'lms takes the proxy of the environment',
  async () => {
    const words = ['--context', manager.contextPath, 'machine', 'show', MACHINE, '-o', 'name'];
    const by = async (https_proxy: string): Promise<CommandResult> =>
      source.try(LMS, words, { environment: { ...WITHOUT_PROXY, https_proxy } });
    expect(await by(tinyproxy)).toMatchObject({ exitCode: 0 });
    const refused = await by(squid.url);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('asks for a user and a password')]);
  },
  TEST_MILLISECONDS,
);

test(
  'In all that time nothing went to 443 but by a proxy, except what was tried directly on purpose',
  async () => {
    const counter = await network.router.run('nft', 'list', 'counter', 'inet', 'only', 'direct');
    // `configure --direct`: one connection that is tried a few times.
    expect(Number(/packets (\d+)/.exec(counter)?.[1])).toBeLessThan(20);
    expect(squid.accessLog.some((line) => line.includes('TCP_TUNNEL/200'))).toBe(true);
  },
  TEST_MILLISECONDS,
);
