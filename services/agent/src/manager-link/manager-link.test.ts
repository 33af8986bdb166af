import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AgentStatisticsBatch, HeartbeatRequest, LogBatch, UNLIMITED } from '@lms/api';
import type { HeartbeatAnswer } from '@lms/api';
import { BandwidthLimiter } from '@lms/bandwidth';
import type { ErrorCode } from '@lms/errors';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { DEFAULT_SETTINGS, newCounters } from '../core/index.ts';
import type { ReplicationSettings, ReplicationStatus } from '../core/index.ts';
import { systemClock } from '../kernel/index.ts';
import type { ProxySettings } from '@lms/proxy';
import { waitFor } from '../../../../test/harness/condition.ts';
import { ConnectProxy } from '../../../../test/harness/connect-proxy.ts';
import type { ConnectProxyMood } from '../../../../test/harness/connect-proxy.ts';
import { AgentLog } from '../logging/agent-log.ts';
import type { EndpointAddress } from '../replication/block-stream-endpoint.ts';
import type { AgentIdentity } from '../state/agent-identity.ts';
import { NO_PROXIES } from '../state/agent-proxies.ts';
import { StateFolder } from '../state/state-folder.ts';
import { WriteGate } from '../state/write-gate.ts';
import { CertificateHolder } from './certificate-renewal.ts';
import { ManagerLink } from './manager-link.ts';

const MACHINE = 'm-0123456789abcdef0123';
const HALF_A_DAY_AND_MORE = 13 * 3_600_000;
const ADDRESS: EndpointAddress = { host: '127.0.0.1', port: 1500, serverName: `${MACHINE}.block-stream.lms.internal` };
const OTHER: EndpointAddress = { ...ADDRESS, host: '10.0.0.1' };

/** A manager that does what the test wants, on real TLS, with a certificate of a real CA. */
class ScriptedManager {
  readonly requests: { readonly path: string; readonly body: unknown }[] = [];
  away = false;
  /** Everything but access tokens, with this code. */
  refusesWith: ErrorCode | null = null;
  answer: HeartbeatAnswer = {
    blockStream: ADDRESS,
    blockStreamAlternatives: [OTHER],
    settings: { ...DEFAULT_SETTINGS, bandwidth: UNLIMITED },
    desired: { paused: false },
    heartbeatSeconds: 0.01,
  };
  renewed = '';
  onConnection: () => void = () => undefined;
  #server: Server | null = null;
  #seen: (() => void) | null = null;

  async start(authority: CertificateAuthority, port = 0): Promise<void> {
    const key = await createPrivateKeyPem();
    const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
    const server = createServer({ key, cert }, (request, response) => {
      void readBody(request).then((body) => {
        const path = request.url?.split('?')[0] ?? '';
        if (this.away) {
          response.writeHead(503).end();
          return;
        }
        this.requests.push({ path, body });
        if (this.refusesWith !== null && path !== '/v1/agent/token') {
          const problem = { type: 'about:blank', title: 'Refused', status: 410, code: this.refusesWith };
          response.writeHead(410, { 'content-type': 'application/problem+json' });
          response.end(JSON.stringify({ ...problem, detail: `machine web (${MACHINE}) was removed` }));
          this.#seen?.();
          return;
        }
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(this.#answerTo(path)));
        this.#seen?.();
      });
    });
    this.#server = server;
    server.on('secureConnection', () => this.onConnection());
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `https://127.0.0.1:${address?.port}`;
  }

  /** Resolves at the first request for which `found` is true, those of before included. */
  async until(found: () => boolean): Promise<void> {
    while (!found()) {
      await new Promise<void>((resolve) => {
        this.#seen = resolve;
      });
    }
  }

  bodies(path: string): readonly unknown[] {
    return this.requests.filter((request) => request.path === path).map(({ body }) => body);
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #answerTo(path: string): unknown {
    if (path === '/v1/agent/token')
      return { accessToken: 'a', expiresAt: new Date(Date.now() + 600_000).toISOString() };
    if (path === '/v1/agent/heartbeat') return this.answer;
    if (path === '/v1/agent/commands') return { commands: [] };
    if (path === '/v1/agent/certificate') return { certificatePem: this.renewed };
    return {};
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const raw = Buffer.concat(parts);
  const text = request.headers['content-encoding'] === 'zstd' ? zstdDecompressSync(raw).toString() : raw.toString();
  return text === '' ? null : JSON.parse(text);
}

class ScriptedCore {
  settings: ReplicationSettings | null = null;
  calls: string[] = [];
  addresses: readonly EndpointAddress[] = [];

  status(): ReplicationStatus {
    return {
      state: 'CONTINUOUS',
      stallCause: null,
      stallDetail: null,
      detail: null,
      connected: true,
      lastFailure: null,
      freezing: 'on',
      lastPoint: null,
      disks: [
        {
          diskId: 'disk-1',
          device: '/dev/loop0',
          sizeBytes: 1_048_576,
          replicatedBytes: 1_048_576,
          backlogBytes: 0,
          tracker: 'trace',
          bytesWritten: 0,
          bytesDirtied: 0,
        },
      ],
      counters: newCounters(),
    };
  }

  createPoint(): Promise<never> {
    return Promise.reject(new Error('nobody asks for one here'));
  }

  rescan(): void {
    this.calls.push('rescan');
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  updateSettings(settings: ReplicationSettings): void {
    this.settings = settings;
  }

  get address(): EndpointAddress | null {
    return this.addresses[0] ?? null;
  }

  get failedAddress(): EndpointAddress | null {
    return this.address;
  }

  update(addresses: readonly EndpointAddress[]): void {
    this.addresses = addresses;
  }

  changeProxy(proxy: ProxySettings | null): void {
    this.calls.push(`proxy ${proxy?.url ?? 'none'}`);
  }
}

let folder = '';
let manager: ScriptedManager;
let authority: CertificateAuthority;
let stop: AbortController;
const proxies: ConnectProxy[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lms-link-'));
  authority = await CertificateAuthority.open(await CertificateAuthority.create());
  manager = new ScriptedManager();
  await manager.start(authority);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  manager.stop();
  for (const proxy of proxies.splice(0)) await proxy.stop();
  await rm(folder, { recursive: true });
});

interface Life {
  readonly core: ScriptedCore;
  readonly log: AgentLog;
  readonly bandwidth: BandwidthLimiter;
  readonly holder: CertificateHolder;
  readonly link: ManagerLink;
  readonly state: StateFolder;
  readonly running: Promise<void>;
  readonly end: () => Promise<void>;
}

async function live(issuedAt = new Date()): Promise<Life> {
  const state = new StateFolder(join(folder, 'state'));
  state.create();
  const privateKeyPem = await createPrivateKeyPem();
  const certificatePem = await authority.issueMachine(await createCertificateRequest(privateKeyPem), MACHINE, issuedAt);
  const identity: AgentIdentity = {
    schemaVersion: 1,
    machineId: MACHINE,
    name: 'web',
    managerUrl: manager.url,
    caSha256: authority.sha256,
    trustDomain: authority.trustDomain,
    enrolledAt: new Date().toISOString(),
    disks: [{ diskId: 'disk-1', device: '/dev/loop0', sizeBytes: 1_048_576 }],
  };
  const core = new ScriptedCore();
  const bandwidth = new BandwidthLimiter(systemClock);
  const log = new AgentLog(() => undefined);
  const holder = new CertificateHolder(certificatePem);
  const link = new ManagerLink({
    identity,
    state,
    gate: new WriteGate(),
    certificate: holder,
    privateKeyPem,
    caPem: authority.certificatePem,
    proxies: await state.proxies(),
    replicator: core,
    endpoint: core,
    bandwidth,
    log,
    spoolFolder: join(folder, 'spool'),
  });
  const ended = new AbortController();
  const running = link.run(AbortSignal.any([ended.signal, stop.signal]));
  return {
    core,
    bandwidth,
    log,
    holder,
    link,
    state,
    running,
    end: async () => {
      ended.abort();
      await running;
      await link.close();
    },
  };
}

test('heartbeats carry the disks and the inventory once, and their answer reaches core and endpoint', async () => {
  manager.answer = {
    ...manager.answer,
    settings: { ...manager.answer.settings, freezing: false },
    desired: { paused: true },
  };
  const { core, end } = await live();
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= 3);
  await end();
  expect(core.settings).toMatchObject({ freezing: false });
  expect(core.calls).toEqual(['pause']);
  expect(core.addresses).toEqual([ADDRESS, OTHER]);
  const beats = manager.bodies('/v1/agent/heartbeat').map((body) => HeartbeatRequest.parse(body));
  expect(beats[0]?.disks).toEqual([{ diskId: 'disk-1', device: '/dev/loop0', sizeBytes: 1_048_576 }]);
  expect(beats.map(({ inventory }) => inventory !== undefined)).toEqual([true, ...beats.slice(1).map(() => false)]);
});

test('an agent that starts while the manager is away takes up what it was told last', async () => {
  const first = await live();
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= 2);
  await first.end();
  manager.away = true;
  const second = await live();
  await second.end();
  expect(second.core.addresses).toEqual([ADDRESS, OTHER]);
  expect(second.core.settings).toMatchObject(DEFAULT_SETTINGS);
});

test('a bandwidth limit holds as soon as it is told, is told back, and still holds after a start without the manager', async () => {
  const limited = { limitBitsPerSecond: 8_000_000, schedule: [], timeZone: 'Europe/Berlin' };
  manager.answer = { ...manager.answer, settings: { ...DEFAULT_SETTINGS, bandwidth: limited } };
  const first = await live();
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= 2);
  expect(first.bandwidth.inForce()).toEqual({ limitBitsPerSecond: 8_000_000, untilMilliseconds: null });
  expect(first.link.runningStatus().bandwidth).toEqual({ limitBitsPerSecond: 8_000_000, until: null });
  first.link.sampleNow();
  await first.end();
  const samples = manager.bodies('/v1/agent/statistics').flatMap((body) => AgentStatisticsBatch.parse(body).batch);
  expect(samples.at(-1)?.bandwidthLimitBitsPerSecond).toBe(8_000_000);
  manager.away = true;
  const second = await live();
  await second.end();
  expect(second.bandwidth.inForce().limitBitsPerSecond).toBe(8_000_000);
});

test('a manager that has no address for the moment takes none away', async () => {
  const { core, end } = await live();
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= 2);
  manager.answer = { ...manager.answer, blockStream: null, blockStreamAlternatives: [], desired: { paused: true } };
  await manager.until(() => core.calls.includes('pause'));
  await end();
  expect(core.addresses).toEqual([ADDRESS, OTHER]);
});

test('what is measured and logged while the manager is away arrives when it is back, oldest first', async () => {
  manager.away = true;
  const first = await live();
  first.log.logger.info('said while it was away');
  await first.end();
  manager.away = false;
  const second = await live();
  second.log.logger.info('said when it was back');
  const messages = (): string[] =>
    manager.bodies('/v1/agent/logs').flatMap((body) => LogBatch.parse(body).batch.map(({ message }) => message));
  await second.end();
  const order = ['said while it was away', 'said when it was back'].map((message) => messages().indexOf(message));
  expect(order[0]).toBeGreaterThanOrEqual(0);
  expect(order[1]).toBeGreaterThan(order[0] ?? 0);
  const samples = manager.bodies('/v1/agent/statistics').flatMap((body) => AgentStatisticsBatch.parse(body).batch);
  expect(samples.length).toBeGreaterThanOrEqual(2);
  expect(samples[0]).toMatchObject({ state: 'CONTINUOUS', disks: [{ diskId: 'disk-1', tracker: 'trace' }] });
});

test('a certificate is renewed when half of its life is over, and saved before it is used', async () => {
  const key = await createPrivateKeyPem();
  manager.renewed = await authority.issueMachine(await createCertificateRequest(key), MACHINE);
  const { holder, end } = await live(new Date(Date.now() - HALF_A_DAY_AND_MORE));
  await manager.until(() => manager.bodies('/v1/agent/certificate').length === 1 && manager.requests.length > 5);
  await manager.until(() => holder.pem === manager.renewed);
  await end();
  expect(readFileSync(join(folder, 'state/certificate.pem'), 'utf8')).toBe(manager.renewed);
});

test('a manager that says that the machine was removed is believed, asked nothing more, and it is kept', async () => {
  const { link, state, running, log } = await live();
  const told = log.logger;
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= 2);
  expect([link.removal, await state.findRemoval()]).toEqual([null, null]);
  manager.refusesWith = 'REMOVED';
  // By itself: nobody aborts it.
  await running;
  expect(link.removed.aborted).toBe(true);
  expect(link.removal?.message).toContain('was removed');
  expect(await state.findRemoval()).toEqual(link.removal);
  const asked = manager.requests.length;
  told.info('said afterwards');
  await link.close();
  expect(manager.requests.length).toBe(asked);
});

test.each(['NOT_FOUND', 'PERMISSION_DENIED', 'UNAUTHENTICATED'] as const)(
  'a manager that only says %s ends nothing',
  async (code) => {
    const { link, end } = await live();
    const beats = (): number => manager.bodies('/v1/agent/heartbeat').length;
    await manager.until(() => beats() >= 1);
    manager.refusesWith = code;
    const before = beats();
    await manager.until(() => beats() > before + 1);
    manager.refusesWith = null;
    const refused = beats();
    await manager.until(() => beats() > refused);
    await end();
    expect(link.removal).toBeNull();
  },
);

async function startProxy(mood?: ConnectProxyMood): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start(mood);
  proxies.push(proxy);
  return proxy;
}

function by(proxy: ConnectProxy, password = 'right'): ProxySettings {
  return { url: proxy.url, username: 'kim', password, noProxy: [], caPem: null };
}

/** Waits in the way that the test wants only to see over. */
async function beatsMore(count = 2): Promise<void> {
  const before = manager.bodies('/v1/agent/heartbeat').length;
  await manager.until(() => manager.bodies('/v1/agent/heartbeat').length >= before + count);
}

test('everything goes by the proxy that is kept in the state folder, the renewal of the certificate too', async () => {
  const proxy = await startProxy();
  const state = new StateFolder(join(folder, 'state'));
  state.create();
  await state.writeProxies({ ...NO_PROXIES, changedAt: '1', manager: by(proxy) });
  const key = await createPrivateKeyPem();
  manager.renewed = await authority.issueMachine(await createCertificateRequest(key), MACHINE);
  let direct = 0;
  manager.onConnection = () => (direct += 1);
  const { holder, link, end } = await live(new Date(Date.now() - HALF_A_DAY_AND_MORE));
  await manager.until(() => holder.pem === manager.renewed && manager.bodies('/v1/agent/heartbeat').length > 1);
  expect(link.runningStatus().proxiesChangedAt).toBe('1');
  await end();
  const paths = new Set(manager.requests.map(({ path }) => path));
  for (const path of ['token', 'heartbeat', 'commands', 'statistics', 'logs', 'certificate'])
    expect([path, paths.has(`/v1/agent/${path}`)]).toEqual([path, true]);
  // Each connection of the manager is one that the proxy was asked for.
  expect(direct).toBe(proxy.asked.length);
});

test('a proxy is changed while the agent runs, and back, without losing the manager', async () => {
  const proxy = await startProxy();
  const { core, link, state, end } = await live();
  await beatsMore();
  expect(proxy.asked).toEqual([]);
  await state.writeProxies({ ...NO_PROXIES, changedAt: '2', manager: by(proxy), blockStream: by(proxy) });
  await manager.until(() => proxy.asked.length > 0);
  await beatsMore();
  expect(core.calls).toContain(`proxy ${proxy.url}`);
  expect(link.runningStatus().proxiesChangedAt).toBe('2');
  await state.writeProxies({ ...NO_PROXIES, changedAt: '3' });
  await manager.until(() => link.runningStatus().proxiesChangedAt === '3');
  const asked = proxy.asked.length;
  await beatsMore();
  expect(proxy.asked).toHaveLength(asked);
  expect(core.calls.at(-1)).toBe('proxy none');
  await end();
});

test('a proxy that refuses is told apart from a manager that is away, never with the password, and heals by itself', async () => {
  const challenge = 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n';
  const right = `Basic ${Buffer.from('kim:right').toString('base64')}`;
  const proxy = await startProxy({ answer: (given) => (given === right ? null : challenge) });
  const state = new StateFolder(join(folder, 'state'));
  state.create();
  await state.writeProxies({ ...NO_PROXIES, changedAt: '1', manager: by(proxy, 'secret-but-wrong') });
  const { link, end } = await live();
  await waitFor('the refusal', () => link.runningStatus().manager.failure !== null);
  expect(link.runningStatus().manager.failure).toContain('does not accept the user "kim"');
  expect(JSON.stringify(link.runningStatus())).not.toContain('secret-but-wrong');
  await state.writeProxies({ ...NO_PROXIES, changedAt: '2', manager: by(proxy) });
  await beatsMore();
  expect(link.runningStatus().manager.failure).toBeNull();
  await end();
});

test('a file of proxies that is damaged while the agent runs changes nothing', async () => {
  const { log, link, state, end } = await live();
  const said: string[] = [];
  log.recordTo(({ message }) => void said.push(message));
  await beatsMore();
  writeFileSync(state.proxiesFile, '{');
  await waitFor('the warning', () => said.some((message) => message.includes('the proxies were not changed')));
  await beatsMore();
  expect(link.runningStatus().proxiesChangedAt).toBe('');
  await end();
});
