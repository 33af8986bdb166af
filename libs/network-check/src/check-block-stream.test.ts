import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { ALPN_PROTOCOL, CHECK_ALPN_PROTOCOL, createBlockStreamListener, encodeFrame } from '@lms/block-stream';
import type { BlockStreamListener, Frame, ListenerOptions } from '@lms/block-stream';
import type { CertificateAuthority } from '@lms/identity';
import type { LmsError } from '@lms/errors';
import { MACHINE_ID, OddServers, SERVER_NAME, createAuthority, issue, issueMachine } from '../test/odd-servers.ts';
import { checkBlockStream } from './check-block-stream.ts';
import type { BlockStreamCheck } from './check-block-stream.ts';

const servers = new OddServers();
const listeners: BlockStreamListener[] = [];
const limits = {
  handshakeMilliseconds: 1_500,
  answerMilliseconds: 1_500,
  connectMilliseconds: 1_500,
  throughputBytes: 1024 * 1024,
};
const WILDCARD = '*.block-stream.lms.internal';
let authority: CertificateAuthority;
let other: CertificateAuthority;
let identity: BlockStreamCheck['identity'];

beforeAll(async () => {
  authority = await createAuthority();
  other = await createAuthority();
  const { key, cert } = await issueMachine(authority);
  identity = { privateKeyPem: key, certificatePem: cert };
});
afterEach(async () => {
  await servers.close();
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

function check(port: number, change: Partial<BlockStreamCheck> = {}) {
  const { signal } = new AbortController();
  const known = {
    from: 'agent',
    host: '127.0.0.1',
    port,
    serverName: SERVER_NAME,
    proxy: null,
    limits,
    signal,
  } as const;
  return checkBlockStream({ ...known, caPem: authority.certificatePem, identity, ownSession: null, ...change });
}

type Answering = Pick<ListenerOptions, 'onCheck'>;

/** As a replication server does it, with `lie` for what it says of itself. */
function answering(lie: { readonly daysAhead?: number; readonly sessionConnected?: boolean } = {}): Answering {
  const { daysAhead = 0, sessionConnected = false } = lie;
  return {
    onCheck: (connection) => {
      void (async () => {
        for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
          if (frame.type !== 'check') continue;
          const instantMicroseconds = (Date.now() + daysAhead * 86_400_000) * 1_000;
          const padding = new Uint8Array(frame.answerPaddingBytes);
          await connection.send({ type: 'checkAnswer', instantMicroseconds, sessionConnected, padding });
        }
      })().catch(() => undefined);
    },
  };
}

async function listen(change: Partial<ListenerOptions> = {}, days = 0): Promise<number> {
  const { key, cert } = await issue(authority, [WILDCARD], days);
  const listener = await createBlockStreamListener({
    host: '127.0.0.1',
    port: 0,
    ca: authority.certificatePem,
    key,
    cert,
    trustDomain: authority.trustDomain,
    onConnection: (connection) => connection.close(),
    ...answering(),
    ...change,
  });
  listeners.push(listener);
  return listener.port;
}

test('a replication server passes every step, and no session is made', async () => {
  let sessions = 0;
  const port = await listen({ onConnection: () => (sessions += 1) });
  const report = await check(port);
  expect(report).toMatchObject({ result: 'passed', failure: null });
  const names = ['DNS', 'ROUTE', 'TCP', 'TLS', 'BLOCK_STREAM', 'CLOCK', 'CERTIFICATE', 'MTU', 'THROUGHPUT'];
  expect(report.steps.map(({ name, state }) => [name, state])).toEqual(names.map((name) => [name, 'passed']));
  expect(sessions).toBe(0);
});

test('before enrolment the check goes as far as it can, and says so', async () => {
  const report = await check(await listen(), { serverName: null, caPem: null, identity: null });
  expect(report).toMatchObject({ result: 'passed', failure: null });
  expect(report.steps.at(-1)).toMatchObject({ name: 'CERTIFICATE', state: 'skipped' });
  expect(report.steps.find(({ name }) => name === 'TLS')?.detail).toContain('not judged');
});

test('before enrolment a router of the block stream may end the connection: a warning, and no failure', async () => {
  const port = await servers.tcp((socket) => socket.once('data', () => socket.end()));
  const report = await check(port, { serverName: null, caPem: null, identity: null });
  expect(report).toMatchObject({ result: 'warning', failure: { reason: 'TLS_CLOSED' } });
});

test('a replication server of before, which knows no checks, is left alone: no hello is sent to it', async () => {
  const seen: (string | null)[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const { key, cert } = await issue(authority, [WILDCARD]);
  const listener = await createBlockStreamListener({
    ...{ host: '127.0.0.1', port: 0, ca: authority.certificatePem, key, cert, trustDomain: authority.trustDomain },
    onConnection: (connection) => {
      void connection.receive().then((frame) => {
        seen.push(frame?.type ?? null);
        connection.close();
        resolve();
      });
    },
  });
  listeners.push(listener);
  expect(await check(listener.port)).toMatchObject({ result: 'passed' });
  await ended;
  expect(seen).toEqual([null]);
});

test('another agent that holds the session is told by the one that has none', async () => {
  const port = await listen(answering({ sessionConnected: true }));
  const report = await check(port, { ownSession: 'absent' });
  expect(report).toMatchObject({ result: 'warning', failure: { reason: 'FENCED' } });
  expect(await check(port, { ownSession: 'connected' })).toMatchObject({ result: 'passed' });
});

interface Fault {
  readonly reason: string;
  readonly step: string;
  readonly serve: () => Promise<number>;
  readonly change?: () => Promise<Partial<BlockStreamCheck>>;
}

const refuse = (code: LmsError['code']): Answering => ({
  onCheck: (connection) => {
    void connection.send({ type: 'error', code, message: 'no', action: '' }).then(() => connection.close());
  },
});

const FAULTS: readonly Fault[] = [
  { reason: 'NOT_ASSIGNED', step: 'CERTIFICATE', serve: () => listen(refuse('PERMISSION_DENIED')) },
  { reason: 'MACHINE_REMOVED', step: 'CERTIFICATE', serve: () => listen(refuse('REMOVED')) },
  { reason: 'BLOCK_STREAM_REFUSED', step: 'CERTIFICATE', serve: () => listen(refuse('UNAVAILABLE')) },
  {
    reason: 'CERTIFICATE_NOT_ACCEPTED',
    step: 'CERTIFICATE',
    serve: () => listen(),
    change: async () => {
      const { key, cert } = await issueMachine(other);
      return { identity: { privateKeyPem: key, certificatePem: cert } };
    },
  },
  {
    reason: 'CERTIFICATE_EXPIRED',
    step: 'CERTIFICATE',
    serve: () => listen(),
    change: async () => {
      const { key, cert } = await issueMachine(authority, -3);
      return { identity: { privateKeyPem: key, certificatePem: cert } };
    },
  },
  { reason: 'CLOCK_SKEW', step: 'CLOCK', serve: () => listen(answering({ daysAhead: -1 })) },
  { reason: 'CLOCK_SKEW', step: 'TLS', serve: () => listen(answering({ daysAhead: 2 }), 2) },
  { reason: 'TLS_NOT_YET_VALID', step: 'TLS', serve: () => listen({}, 2) },
  { reason: 'TLS_EXPIRED', step: 'TLS', serve: () => listen({}, -100) },
  {
    reason: 'TLS_UNTRUSTED',
    step: 'TLS',
    serve: async () => listen(await issue(other, ['*.elsewhere.test'])),
  },
  { reason: 'TLS_INSPECTED', step: 'TLS', serve: async () => listen(await issue(other, [WILDCARD])) },
  {
    reason: 'TLS_NAME_MISMATCH',
    step: 'TLS',
    serve: async () => listen(await issue(authority, ['m-99999999999999999999.block-stream.lms.internal'])),
  },
  {
    reason: 'NOT_A_BLOCK_STREAM',
    step: 'TLS',
    serve: async () => servers.https(await issue(authority, [WILDCARD]), (_request, response) => response.end('hello')),
  },
  {
    reason: 'TLS_VERSION',
    step: 'TLS',
    serve: async () => {
      const old = { maxVersion: 'TLSv1.2', ALPNProtocols: [ALPN_PROTOCOL] } as const;
      return servers.tls({ ...(await issue(authority, [WILDCARD])), ...old }, () => undefined);
    },
  },
  {
    reason: 'BLOCK_STREAM_NO_ANSWER',
    step: 'BLOCK_STREAM',
    serve: async () =>
      servers.tls({ ...(await issue(authority, [WILDCARD])), ALPNProtocols: [CHECK_ALPN_PROTOCOL] }, (socket) =>
        socket.resume(),
      ),
  },
];

test.each(FAULTS)('$reason at $step', async ({ reason, step, serve, change }) => {
  const report = await check(await serve(), await change?.());
  expect(report.failure).toMatchObject({ reason, step });
});

test('frames of a check are none of a session: the machine is the one of the certificate', async () => {
  const machines: string[] = [];
  const { onCheck } = answering();
  const port = await listen({
    onCheck: (connection, peer) => {
      machines.push(peer.machineId);
      onCheck?.(connection, peer);
    },
  });
  await check(port);
  expect(machines).toEqual([MACHINE_ID]);
  const frame: Frame = { type: 'check', answerPaddingBytes: 1, padding: new Uint8Array(2) };
  expect(Buffer.concat(encodeFrame(frame))).toHaveLength(8 + 4 + 2);
});
