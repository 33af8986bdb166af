// The ways to 443 and 1500 on real networks: whatever stands in the way is made for real, and the check has to name it.

import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { CheckReport } from '@lms/api';
import { CertificateAuthority } from '@lms/identity';
import { Agent } from '../../harness/agent.ts';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { waitFor } from '../../harness/condition.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import type { Host } from '../../harness/network/host.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { LMS_AGENT } from '../../harness/operator.ts';
import type { JoinToken } from '../../harness/operator.ts';
import { Squid } from '../proxy/squid.ts';

const TEST_MILLISECONDS = 240_000;
const PROXY_PORT = 3128;
/** What answers does so at once here; what does not costs so much. */
const STEP = ['--step-timeout', '3s'];

const cleanup = new Cleanup();
const folder = mkdtempSync(join(tmpdir(), 'lms-checks-'));
cleanup.add('remove the folder', () => rmSync(folder, { recursive: true }));
const stateFolder = join(folder, 'agent');

let network: TestNetwork;
let source: Host;
let site: Host;
let beside: Host;
let manager: Manager;
let agent: Agent;
let token: JoinToken;

interface Found {
  readonly exitCode: number;
  readonly result: string;
  readonly reports: readonly CheckReport[];
}

beforeAll(async () => {
  network = await TestNetwork.create({ folder, cleanup });
  source = await network.addHost('source');
  site = await network.addHost('site');
  beside = await network.addHost('beside');
  await source.run('sysctl', '--quiet', '--write', 'net.ipv4.tcp_mtu_probing=0');
  const logFolder = join(folder, 'logs');
  mkdirSync(logFolder);
  startBeside(logFolder);
  const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 32 * 1024 * 1024, cleanup });
  manager = await Manager.create({ dataFolder: join(folder, 'manager'), logFolder, cleanup, host: site });
  await manager.start();
  token = await manager.createToken();
  const parts = { manager, name: 'source', disks: [disk.device], stateFolder, logFolder, cleanup };
  agent = await Agent.start({ ...parts, place: source.place });
  await manager.waitForState('source', 'CONTINUOUS');
}, TEST_MILLISECONDS);

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
}, TEST_MILLISECONDS);

afterEach(async () => {
  await network.router.nft('table inet cut\ndelete table inet cut\n');
  source.setResolver(null);
  source.setNames({});
});

/** A DNS server and a proxy that wants a password for one, and none of anybody's ports for the other. */
function startBeside(logFolder: string): void {
  const zone = ['--address=/two.test/' + site.address, '--address=/two.test/198.51.100.1', '--local=/test/'];
  const dns = [
    '--no-daemon',
    '--no-resolv',
    '--no-hosts',
    '--pid-file=',
    '--user=root',
    `--listen-address=${beside.address}`,
  ];
  start('dnsmasq', [...dns, '--bind-interfaces', ...zone], join(logFolder, 'dnsmasq.log'));
  const configuration = join(folder, 'tinyproxy.conf');
  const lines = [`Port ${PROXY_PORT}`, 'BasicAuth kim sesame', 'ConnectPort 443', 'LogLevel Connect'];
  writeFileSync(configuration, `${lines.join('\n')}\n`);
  start('tinyproxy', ['-d', '-c', configuration], join(logFolder, 'tinyproxy.log'));
}

function start(program: string, parameters: readonly string[], logPath: string): void {
  const process = new BackgroundProcess({ ...beside.place.command(program, ...parameters), logPath });
  cleanup.add(`stop ${program}`, async () => process.end());
}

async function check(host: Host, target: '443' | '1500', ...options: readonly string[]): Promise<Found> {
  const { exitCode, stdout, stderr } = await host.try(LMS_AGENT, ['check', target, ...options, ...STEP, '-o', 'json']);
  if (stdout === '') throw new Error(stderr);
  return { exitCode, ...(JSON.parse(stdout) as Omit<Found, 'exitCode'>) };
}

/** As an agent that has not enrolled: by address and hash. */
function before443(url: string, ...options: readonly string[]): Promise<Found> {
  return check(source, '443', '--manager', url, '--ca-sha256', token.caSha256, ...options);
}

const known = (target: '443' | '1500', ...options: readonly string[]): Promise<Found> =>
  check(source, target, '--state-dir', stateFolder, ...options);

/** In the router, for what goes from host to host. */
async function cut(rule: string): Promise<void> {
  await network.router.nft(`table inet cut {
    chain forward {
      type filter hook forward priority 0; policy accept;
      ${rule}
    }
  }`);
}

function failuresOf({ reports }: Found): readonly (readonly [string, string] | null)[] {
  return reports.map(({ failure }) => (failure === null ? null : [failure.step, failure.reason]));
}

test('a healthy path passes every step on both sides, and no session is disturbed by it', async () => {
  const lines = manager.process.log().match(/session started/g)?.length;
  for (const target of ['443', '1500'] as const) {
    const found = await known(target);
    expect([found.exitCode, found.result, failuresOf(found)]).toEqual([0, 'passed', [null]]);
    expect(found.reports[0]?.steps.every(({ state }) => state === 'passed')).toBe(true);
  }
  const asked = await manager.json<Omit<Found, 'exitCode'>>('machine', 'check', 'source', 'both');
  expect(asked.reports.map(({ from, target, result }) => [from, target, result])).toEqual([
    ['agent', '443', 'passed'],
    ['agent', '1500', 'passed'],
  ]);
  const { replicationServers } = await manager.json<{ replicationServers: { name: string; blockStream: string }[] }>(
    'replication-server',
    'list',
  );
  expect(replicationServers.map(({ blockStream }) => blockStream)).toEqual([`${site.address}:1500`]);
  const fromStaging = await manager.json<Omit<Found, 'exitCode'>>(
    'replication-server',
    'check',
    replicationServers[0]?.name ?? '',
  );
  expect(fromStaging.reports.map(({ from, target, result }) => [from, target, result])).toEqual([
    ['replication-server', '443', 'passed'],
  ]);
  expect(manager.process.log().match(/session started/g)?.length).toBe(lines);
  expect((await manager.machine('source')).replicationState).toBe('CONTINUOUS');
  // Until the last test the manager has time to miss it.
  await agent.stop();
});

test('before enrolment an address is enough, and a person is told how far that goes', async () => {
  const url = `https://${site.address}`;
  expect(await before443(url)).toMatchObject({ exitCode: 0, result: 'passed' });
  const told = await source.try(LMS_AGENT, ['check', '1500', '--address', `${site.address}:1500`]);
  expect(told.stdout).toMatch(/BLOCK_STREAM +passed/);
  expect(told.stdout).toMatch(/CERTIFICATE +skipped.*not enrolled yet/);
  expect(told.stdout).not.toMatch(/\p{Cc}\[/u);
});

test('DNS: no such name, no server that answers, and a name of which one address leads nowhere', async () => {
  source.setResolver(beside.address);
  expect(failuresOf(await before443('https://nowhere.test'))).toEqual([['DNS', 'DNS_NOT_FOUND']]);
  await network.router.run('ip', 'route', 'add', 'unreachable', '198.51.100.1');
  const two = await known('1500', '--address', 'two.test:1500');
  expect([two.exitCode, two.result, failuresOf(two)]).toEqual([0, 'warning', [['TCP', 'TCP_UNREACHABLE']]]);
  await cut(`ip daddr ${beside.address} udp dport 53 drop`);
  expect(failuresOf(await before443('https://nowhere.test'))).toEqual([['DNS', 'DNS_NO_ANSWER']]);
});

test('TCP: refused, and dropped', async () => {
  const elsewhere = ['--address', `${site.address}:1501`];
  expect(failuresOf(await known('1500', ...elsewhere))).toEqual([['TCP', 'TCP_REFUSED']]);
  const to1500 = `ip saddr ${source.address} tcp dport 1500`;
  await cut(`${to1500} drop`);
  const dropped = await known('1500');
  expect([dropped.exitCode, failuresOf(dropped)]).toEqual([1, [['TCP', 'TCP_TIMEOUT']]]);
});

test('TCP: a router that says no, and a firewall that cuts what stands', async () => {
  const to1500 = `ip saddr ${source.address} tcp dport 1500`;
  await cut(`${to1500} reject with icmp type host-unreachable`);
  expect(failuresOf(await known('1500'))).toEqual([['TCP', 'TCP_UNREACHABLE']]);
  await network.router.nft('delete table inet cut\n');
  await cut(`${to1500} ct state established reject with tcp reset`);
  // Before or after this end believes that it stands, whichever is faster.
  expect((await known('1500')).reports[0]?.failure?.reason).toBe('TCP_RESET');
});

test('no route', async () => {
  await source.run('ip', 'route', 'add', 'unreachable', site.address);
  const found = await known('443');
  await source.run('ip', 'route', 'delete', 'unreachable', site.address);
  expect(failuresOf(found)).toEqual([['ROUTE', 'NO_ROUTE']]);
});

test('a path whose large packets vanish, since a router drops the ICMP that says so', async () => {
  await network.router.run('ip', 'link', 'set', source.routerDevice, 'mtu', '1280');
  const silent = 'icmp type destination-unreachable drop; icmpv6 type packet-too-big drop';
  await network.router.nft(`table inet cut {
    chain output {
      type filter hook output priority 0; policy accept;
      ${silent}
    }
  }`);
  const reasons: string[] = [];
  for (const target of ['443', '1500'] as const) {
    const { reports } = await known(target);
    reasons.push(...reports.map(({ failure }) => failure?.reason ?? 'none'));
  }
  await network.router.run('ip', 'link', 'set', source.routerDevice, 'mtu', '1500');
  expect(reasons).toEqual(['PATH_MTU', 'PATH_MTU']);
});

test('a proxy that wants a password, one that does not allow the port, and one that is none', async () => {
  const proxy = ['--proxy', `http://${beside.address}:${PROXY_PORT}`];
  const passwordFile = join(folder, 'password');
  const user = ['--proxy-user', 'kim', '--proxy-password-file', passwordFile];
  const url = `https://${site.address}`;
  writeFileSync(passwordFile, 'wrong\n');
  expect(failuresOf(await before443(url, ...proxy))).toEqual([['PROXY', 'PROXY_AUTHENTICATION_REQUIRED']]);
  expect(failuresOf(await before443(url, ...proxy, ...user))).toEqual([['PROXY', 'PROXY_AUTHENTICATION_REQUIRED']]);
  writeFileSync(passwordFile, 'sesame\n');
  const passed = await before443(url, ...proxy, ...user);
  expect([passed.result, passed.reports[0]?.proxy]).toEqual(['passed', proxy[1]]);
  expect(failuresOf(await before443(`${url}:1500`, ...proxy, ...user))).toEqual([['PROXY', 'PROXY_FORBIDDEN']]);
  const none = ['--proxy', `http://${site.address}:443`];
  expect(failuresOf(await before443(url, ...none))).toEqual([['PROXY', 'PROXY_NOT_A_PROXY']]);
});

test('a proxy that looks into TLS is named by its issuer, and passes with its CA given', async () => {
  const authority = await CertificateAuthority.create();
  const host = await network.addHost('inspecting');
  const squid = await Squid.start({ host, cleanup, inspectsAs: authority });
  const caFile = join(folder, 'inspection-ca.pem');
  writeFileSync(caFile, authority.certificatePem);
  const found = await known('443', '--proxy', squid.url);
  expect(failuresOf(found)).toEqual([['TLS', 'PROXY_TLS_INSPECTED']]);
  const [, issuer = ''] = /CN=(.*)/.exec(new X509Certificate(authority.certificatePem).subject) ?? [];
  expect(found.reports[0]?.failure?.message).toContain(issuer);
  const passed = await known('443', '--proxy', squid.url, '--proxy-ca', caFile);
  expect([passed.result, failuresOf(passed)]).toEqual(['passed', [null]]);
  expect(passed.reports[0]?.steps.find(({ name }) => name === 'TLS')?.detail).toContain('the proxy re-signs TLS');
});

test('443 and 1500 mistaken for each other are no manager and no block stream', async () => {
  expect(failuresOf(await known('1500', '--address', `${site.address}:443`))).toEqual([['TLS', 'NOT_A_BLOCK_STREAM']]);
  const found = await before443(`https://${site.address}:1500`);
  expect(found.exitCode).toBe(1);
  expect(found.reports[0]?.failure?.step).toBe('TLS');
});

test(
  'an agent that does not answer: the manager says what it knows; a machine that was removed is told so',
  async () => {
    await waitFor('the manager to miss the agent', async () => !(await manager.machine('source')).agent.connected);
    const { exitCode, stderr } = await manager.command('machine', 'check', 'source');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/the agent of source does not answer: it was last heard of at .*lms-agent check 443/);
    const removed = await manager.command('machine', 'remove', 'source', '--yes');
    expect(removed.exitCode).toBe(0);
    expect(failuresOf(await known('443'))).toEqual([['CERTIFICATE', 'MACHINE_REMOVED']]);
    const gone = await waitFor('the replication server to let go', async () => {
      const found = await known('1500');
      return found.result === 'failed' ? found : undefined;
    });
    expect(failuresOf(gone)).toEqual([['CERTIFICATE', 'NOT_ASSIGNED']]);
  },
  TEST_MILLISECONDS,
);
