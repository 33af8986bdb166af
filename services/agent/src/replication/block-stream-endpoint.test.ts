// On real TLS: listeners with certificates of one manager, and what else can stand at an address.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createBlockStreamListener } from '@lms/block-stream';
import type { FrameConnection } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import {
  CertificateAuthority,
  blockStreamServerName,
  createCertificateRequest,
  createPrivateKeyPem,
} from '@lms/identity';
import type { ProxySettings } from '@lms/proxy';
import { ConnectProxy } from '../../../../test/harness/connect-proxy.ts';
import { BlockStreamEndpoint } from './block-stream-endpoint.ts';
import type { EndpointAddress } from './block-stream-endpoint.ts';

const MACHINE = 'm-0123456789abcdef0123';
const SILENCE_MILLISECONDS = 200;
const never = new AbortController().signal;

let authority: CertificateAuthority;
let machine: { readonly key: string; readonly cert: string };
let closing: AsyncDisposableStack;
let log: string[];

beforeAll(async () => {
  authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  machine = { key, cert: await authority.issueMachine(await createCertificateRequest(key), MACHINE) };
});

beforeEach(() => {
  closing = new AsyncDisposableStack();
  log = [];
});

afterEach(() => closing.disposeAsync());

interface Listening {
  readonly address: EndpointAddress;
  /** Connections that came and were accepted. */
  readonly accepted: FrameConnection[];
}

interface ListenOptions {
  readonly by?: CertificateAuthority;
  readonly names?: readonly string[];
  /** Of what comes, says nothing. */
  readonly mute?: boolean;
  readonly port?: number;
}

/** A replication server, as far as an agent can tell before its hello. */
async function listen(options: ListenOptions = {}): Promise<Listening> {
  const { by = authority, names = [blockStreamServerName(MACHINE)], mute = false, port = 0 } = options;
  const key = await createPrivateKeyPem();
  const accepted: FrameConnection[] = [];
  const listener = await createBlockStreamListener({
    host: '127.0.0.1',
    port,
    ca: authority.certificatePem,
    key,
    cert: await by.issueReplicationServer(await createCertificateRequest(key), 'rs', [...names]),
    trustDomain: authority.trustDomain,
    onConnection: (connection) => {
      accepted.push(connection);
      if (!mute) void echo(connection);
    },
    onRefused: () => undefined,
  });
  closing.defer(async () => {
    for (const connection of accepted) connection.close();
    await listener.close();
  });
  return { address: at(listener.port), accepted };
}

async function echo(connection: FrameConnection): Promise<void> {
  try {
    for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
      await connection.send(frame);
    }
  } catch {
    // The other end has gone: that is what the test looks at.
  }
  connection.close();
}

/** Nobody listens there; nobody else gets it meanwhile. */
async function closedPort(): Promise<EndpointAddress> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return at(port);
}

/** Takes connections and says nothing: what a path looks like that drops what comes back. */
async function silentPort(onConnection: () => void = () => undefined): Promise<EndpointAddress> {
  const server = createServer((socket) => {
    onConnection();
    closing.defer(() => void socket.destroy());
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.defer(() => void server.close());
  return at((server.address() as AddressInfo).port);
}

function at(port: number): EndpointAddress {
  return { host: '127.0.0.1', port, serverName: blockStreamServerName(MACHINE) };
}

function endpointWith(...addresses: readonly EndpointAddress[]): BlockStreamEndpoint {
  const endpoint = new BlockStreamEndpoint({
    caPem: authority.certificatePem,
    privateKeyPem: machine.key,
    certificatePem: () => machine.cert,
    log: (message) => log.push(message),
    connectTimeoutMilliseconds: SILENCE_MILLISECONDS * (addresses.length > 1 ? 1 : 100),
  });
  endpoint.update(addresses);
  return endpoint;
}

function endpointBy(proxy: ProxySettings, ...addresses: readonly EndpointAddress[]): BlockStreamEndpoint {
  const endpoint = endpointWith(...addresses);
  endpoint.changeProxy(proxy);
  return endpoint;
}

async function connect(endpoint: BlockStreamEndpoint): Promise<FrameConnection> {
  const connection = await endpoint.connect(never);
  closing.defer(() => connection.close());
  return connection;
}

/** Something goes there and comes back. */
async function isAlive(connection: FrameConnection): Promise<boolean> {
  await connection.send({ type: 'heartbeat' });
  return (await connection.receive())?.type === 'heartbeat';
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (thrown) {
    return thrown;
  }
}

const OBSTACLES: readonly (readonly [string, () => Promise<EndpointAddress>, string])[] = [
  ['where nobody listens', closedPort, 'ECONNREFUSED'],
  ['that answers nothing', () => silentPort(), 'did not answer within'],
  ['of another manager', async () => (await listen({ by: await otherAuthority() })).address, 'certificate'],
  ['of another machine', async () => (await listen({ names: ['m-9.block-stream.lms.internal'] })).address, 'altnames'],
];

async function otherAuthority(): Promise<CertificateAuthority> {
  return CertificateAuthority.open(await CertificateAuthority.create());
}

test.each(OBSTACLES)('behind an address %s the next one is taken, and remembered', async (_what, obstacle, why) => {
  const [first, second] = [await obstacle(), await listen()];
  const endpoint = endpointWith(first, second.address);
  const connection = await connect(endpoint);
  expect(await isAlive(connection)).toBe(true);
  expect(endpoint.address).toEqual(second.address);
  expect(log).toEqual([expect.stringContaining(`connected by 127.0.0.1:${second.address.port}: `)]);
  expect(log[0]).toContain(why);
  connection.close();
  expect(await isAlive(await connect(endpoint))).toBe(true);
  // The first was not asked again: nothing failed.
  expect(log).toHaveLength(1);
});

test('when no address leads there, each is named with its reason', async () => {
  const [first, second] = [await closedPort(), await silentPort()];
  await expect(endpointWith(first, second).connect(never)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(new RegExp(`${first.port}.*; .*${second.port} did not answer`)),
  });
  await expect(endpointWith(first).connect(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a session goes on whatever happens to the other addresses, and whichever is preferred', async () => {
  const [one, other] = [await listen(), await listen()];
  const endpoint = endpointWith(one.address, await closedPort());
  const connection = await connect(endpoint);
  expect(await isAlive(connection)).toBe(true);
  endpoint.update([one.address]);
  endpoint.update([one.address, other.address]);
  endpoint.update([other.address, one.address]);
  endpoint.update([]);
  expect(await isAlive(connection)).toBe(true);
  expect(endpoint.address).toEqual(one.address);
  // It moves when it has to, and then to what is preferred now.
  connection.close();
  expect(await isAlive(await connect(endpoint))).toBe(true);
  expect([one.accepted.length, other.accepted.length]).toEqual([1, 1]);
});

test('a session ends when its own address is named no longer, and the next one goes by another', async () => {
  const [one, other] = [await listen(), await listen()];
  const endpoint = endpointWith(one.address, other.address);
  const connection = await connect(endpoint);
  expect(await isAlive(connection)).toBe(true);
  const ended = failureOf(connection.receive());
  endpoint.update([other.address]);
  expect(await ended).toBeInstanceOf(LmsError);
  expect(endpoint.address).toEqual(other.address);
  expect(await isAlive(await connect(endpoint))).toBe(true);
  expect(other.accepted).toHaveLength(1);
});

test('an address that is being tried is given up when it is named no longer', async () => {
  const tried = Promise.withResolvers<void>();
  const [silent, other] = [await silentPort(tried.resolve), await listen()];
  const endpoint = endpointWith(silent);
  const given = failureOf(endpoint.connect(never));
  await tried.promise;
  endpoint.update([other.address]);
  expect(await given).toMatchObject({ code: 'ABORTED' });
  expect(await isAlive(await connect(endpoint))).toBe(true);
});

test('an address that lets a connection begin and nothing through is tried last the next time', async () => {
  const [mute, other] = [await listen({ mute: true }), await listen()];
  const endpoint = endpointWith(mute.address, other.address);
  (await connect(endpoint)).close();
  expect(await isAlive(await connect(endpoint))).toBe(true);
  expect([mute.accepted.length, other.accepted.length]).toEqual([1, 1]);
  // And is none forever: the other one may be worse one day.
  endpoint.update([mute.address]);
  expect((await connect(endpoint)) !== null).toBe(true);
});

test('without any address it waits, and stops waiting with its signal', async () => {
  const endpoint = endpointWith();
  expect(endpoint.address).toBeNull();
  const giveUp = new AbortController();
  const waiting = endpoint.connect(giveUp.signal);
  giveUp.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  const { address } = await listen();
  const later = endpoint.connect(never);
  endpoint.update([address]);
  const connection = await later;
  closing.defer(() => connection.close());
  expect(await isAlive(connection)).toBe(true);
});

test('by a proxy the same session is had, and a change of it is a new connection', async () => {
  const proxy = closing.use(await ConnectProxy.start());
  const server = await listen();
  const settings = { url: proxy.url, username: null, password: null, noProxy: [], caPem: null };
  const endpoint = endpointBy(settings, server.address);
  const first = await endpoint.connect(never);
  await first.send({ type: 'heartbeat' });
  expect(await first.receive()).toEqual({ type: 'heartbeat' });
  expect(proxy.asked).toEqual([`127.0.0.1:${server.address.port}`]);

  endpoint.changeProxy({ ...settings, noProxy: ['127.0.0.1'] });
  await expect(first.receive()).rejects.toBeInstanceOf(LmsError);
  const second = await endpoint.connect(never);
  await second.send({ type: 'heartbeat' });
  expect(await second.receive()).toEqual({ type: 'heartbeat' });
  expect([proxy.asked.length, server.accepted.length]).toEqual([1, 2]);
  second.close();
});

test('what the proxy says about 1500 comes through whole', async () => {
  const proxy = closing.use(await ConnectProxy.start({ answer: () => 'HTTP/1.1 403 Forbidden\r\n\r\n' }));
  const server = await listen();
  const settings = { url: proxy.url, username: null, password: null, noProxy: [], caPem: null };
  const endpoint = endpointBy(settings, server.address);
  await expect(endpoint.connect(never)).rejects.toMatchObject({ reason: 'PROXY_FORBIDDEN' });
});
