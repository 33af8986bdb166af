/** TCP 1500 over real TLS: who gets in, what ends a connection, and what arrives. */
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { expect, test } from '@jest/globals';
import { encodeFrame } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import type { Frame, FrameConnection, WriteFrame } from '@lms/block-stream';
import { until } from '../harness/until.ts';
import {
  MACHINE_ID,
  createAuthority,
  createStreamFixture,
  machineCertificate,
  serverCertificate,
} from './stream-fixture.ts';
import type { KeyAndCertificate, StreamFixture } from './stream-fixture.ts';

function write(fill: number, blockCount = 16): WriteFrame {
  const rawLengthBytes = blockCount * 65_536;
  const digests = new Uint8Array(16 * blockCount);
  const payload = new Uint8Array(rawLengthBytes).fill(fill);
  return { type: 'write', diskIndex: 0, firstBlock: 0, blockCount, codec: 'raw', rawLengthBytes, digests, payload };
}

/** Payloads by their hash: comparing megabytes byte by byte is not what jest is quick at. */
function summarize(frame: Frame): unknown {
  if (frame.type !== 'write') return frame;
  const digests = Buffer.from(frame.digests).toString('hex');
  return { ...frame, digests, payload: createHash('sha256').update(frame.payload).digest('hex') };
}

async function collect(connection: FrameConnection): Promise<unknown[]> {
  const frames: unknown[] = [];
  for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
    frames.push(summarize(frame));
  }
  return frames;
}

test('frames of every size arrive whole and in order, and an orderly end is an end', async () => {
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect();
  const { connection, machineId } = await until('the server sees the connection', () => fixture.accepted[0]);
  expect(machineId).toBe(MACHINE_ID);
  const sent: Frame[] = [];
  for (let index = 0; index < 40; index += 1) {
    sent.push(write(index, (index % 16) + 1), { type: 'mark', markId: index + 1 });
  }
  const received = collect(connection);
  // Two sends at once: the second waits for the first, and frames do not mix.
  await Promise.all(sent.map((frame) => agent.send(frame)));
  agent.close();
  expect(await received).toEqual(sent.map(summarize));
});

test('a frame that is held keeps its bytes while later ones arrive', async () => {
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect();
  const { connection } = await until('the server sees the connection', () => fixture.accepted[0]);
  const sending = Promise.all([1, 2, 3, 4, 5].map((fill) => agent.send(write(fill))));
  const held: { frame: Frame; release: () => void }[] = [];
  for (let index = 0; index < 5; index += 1) {
    const frame = await connection.receive();
    if (frame === null) throw new Error('ended early');
    held.push({ frame, release: connection.hold() });
  }
  await sending;
  expect(held.map(({ frame }) => (frame.type === 'write' ? frame.payload[1_000_000] : null))).toEqual([1, 2, 3, 4, 5]);
  for (const { release } of held) release();
});

/** Neither a connection nor a frame comes of it, and the next honest agent gets in. */
async function expectRefused(fixture: StreamFixture, options: TlsOptions, reason: RegExp): Promise<void> {
  fixture.connectPlainly(options);
  const refusal = await until('the server says why', () => fixture.refusals[0]);
  expect(refusal.message).toMatch(reason);
  expect(fixture.accepted).toEqual([]);
  await fixture.connect();
  await until('an honest agent is accepted', () => fixture.accepted[0]);
}

test('a certificate of another CA is refused', async () => {
  await using fixture = await createStreamFixture();
  const foreign = await machineCertificate(await createAuthority());
  await expectRefused(fixture, { ...foreign }, /./);
});

test('a client without a certificate is refused', async () => {
  await using fixture = await createStreamFixture();
  await expectRefused(fixture, { key: undefined, cert: undefined }, /certificate/);
});

test('a certificate that has run out is refused', async () => {
  await using fixture = await createStreamFixture();
  const old = await machineCertificate(fixture.authority, new Date(Date.now() - 3 * 86_400_000));
  await expectRefused(fixture, { ...old }, /./);
});

test("a replication server's own certificate does not speak for a machine", async () => {
  await using fixture = await createStreamFixture();
  const server: KeyAndCertificate = await serverCertificate(fixture.authority);
  await expectRefused(fixture, { ...server }, /./);
});

/** The same with a listener of its own: for loops (the layer check cannot read `await using` inside them). */
async function expectRefusedAnew(options: Parameters<typeof expectRefused>[1], message: RegExp): Promise<void> {
  await using fixture = await createStreamFixture();
  await expectRefused(fixture, options, message);
}

test('SNI of another machine is refused, and so is none', async () => {
  for (const servername of ['m-ffffffffffffffffffff.block-stream.lms.internal', '']) {
    await expectRefusedAnew({ servername, checkServerIdentity: () => undefined }, /server name/);
  }
});

test('TLS 1.2 and other ciphers are refused', async () => {
  for (const options of [
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
    { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    { ciphers: 'TLS_AES_128_GCM_SHA256' },
  ] satisfies TlsOptions[]) {
    await expectRefusedAnew(options, /protocol|cipher/i);
  }
});

test('a client that does not ask for our protocol by ALPN is refused', async () => {
  for (const ALPNProtocols of [['http/1.1'], []]) {
    await expectRefusedAnew({ ALPNProtocols }, /lms-block|application protocol/i);
  }
});

test('an agent that is refused is told so', async () => {
  await using fixture = await createStreamFixture();
  const foreign = await machineCertificate(await createAuthority());
  // In TLS 1.3 the client has finished before the server looks at its certificate: the refusal comes with the first read.
  const refused = await fixture.connect({ ...foreign });
  expect(await refused.receive()).toMatchObject({ type: 'error', code: 'UNAUTHENTICATED' });
  expect(await refused.receive()).toBeNull();
});

test('an agent refuses a server of another CA, of another name, and one that does not speak our protocol', async () => {
  await using fixture = await createStreamFixture();
  const foreign = await createAuthority();
  await expect(fixture.connect({ ca: foreign.certificatePem })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(fixture.connect({ serverName: 'elsewhere.example' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  const web = createTlsServer({ ...(await serverCertificate(fixture.authority)), ALPNProtocols: ['http/1.1'] });
  web.on('tlsClientError', () => undefined);
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;
  await expect(fixture.connect({ port })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  web.close();
});

test('an address where nobody listens, and one that never answers, give an error and no wait without end', async () => {
  await using fixture = await createStreamFixture();
  const silent = createServer();
  const held: Socket[] = [];
  silent.on('connection', (socket) => held.push(socket));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  await expect(fixture.connect({ port, connectTimeoutMilliseconds: 200 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  });
  const given = new AbortController();
  const connecting = fixture.connect({ port, signal: given.signal });
  given.abort();
  await expect(connecting).rejects.toMatchObject({ code: 'CANCELLED' });
  // The one that was given up may be accepted only now.
  silent.on('connection', (socket) => socket.destroy());
  for (const socket of held) socket.destroy();
  silent.close();
  await once(silent, 'close');
  await expect(fixture.connect({ port })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a frame that is cut by the end of the stream is a violation', async () => {
  await using fixture = await createStreamFixture();
  const bytes = Buffer.concat(encodeFrame(write(1)));
  const socket = fixture.connectPlainly();
  await once(socket, 'secureConnect');
  const { connection } = await until('the server sees the connection', () => fixture.accepted[0]);
  socket.end(bytes.subarray(0, 100_000));
  await expect(connection.receive()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION', field: 'body' });
});

test('a frame that announces too much is a violation at its header, and the server can still say so', async () => {
  await using fixture = await createStreamFixture();
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0xffff_ffff);
  header.writeUInt8(3, 4);
  const socket = fixture.connectPlainly();
  await once(socket, 'secureConnect');
  const { connection } = await until('the server sees the connection', () => fixture.accepted[0]);
  const answer: Buffer[] = [];
  socket.on('data', (data: Buffer) => answer.push(data));
  socket.write(header);
  await expect(connection.receive()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION', field: 'length' });
  const farewell: Frame = { type: 'error', code: 'PROTOCOL_VIOLATION', message: 'no', action: '' };
  await connection.send(farewell);
  connection.close();
  // The client goes on sending: its bytes are drained, so that it is not reset before it has read the ERROR frame.
  socket.end(randomBytes(4_000_000));
  await once(socket, 'close');
  expect(Buffer.concat(answer)).toEqual(Buffer.concat(encodeFrame(farewell)));
});

test('send waits while the other end does not read, and what it had taken is bounded', async () => {
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect();
  const { connection } = await until('the server sees the connection', () => fixture.accepted[0]);
  let sent = 0;
  const total = 64;
  const sending = (async () => {
    for (; sent < total; sent += 1) await agent.send(write(sent));
  })();
  // Nothing is read: the sender stops by itself, far from its end.
  let last = 0;
  let unchanged = 0;
  await until('the sender is held up', () => {
    unchanged = sent === last ? unchanged + 1 : 0;
    last = sent;
    return sent > 0 && unchanged === 10;
  });
  expect(sent).toBeLessThan(total / 2);
  for (let index = 0; index < total; index += 1) {
    const frame = await connection.receive();
    expect(frame?.type === 'write' && frame.payload[0]).toBe(index);
  }
  await sending;
});

test('a silent end sends heartbeats, and an end that hears nothing gives the connection up', async () => {
  await using fixture = await createStreamFixture({ heartbeatMilliseconds: 20, silenceLimitMilliseconds: 10_000 });
  const agent = await fixture.connect();
  expect(await agent.receive()).toEqual({ type: 'heartbeat' });
  await using mute = await createStreamFixture({ heartbeatMilliseconds: 60_000, silenceLimitMilliseconds: 60_000 });
  const waiting = await mute.connect({ heartbeatMilliseconds: 60_000, silenceLimitMilliseconds: 50 });
  await expect(waiting.receive()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('handshakes are bounded in number and in time', async () => {
  await using fixture = await createStreamFixture({
    maximumConcurrentHandshakes: 2,
    handshakeTimeoutMilliseconds: 1_000,
  });
  const { port } = fixture.listener;
  const idle = [connectTcp(port, '127.0.0.1'), connectTcp(port, '127.0.0.1')];
  for (const socket of idle) socket.on('error', () => undefined);
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  await until('a third is turned away', async () => {
    await fixture.connect().catch(() => undefined);
    return fixture.refusals.find((refusal) => refusal.code === 'RESOURCE_EXHAUSTED');
  });
  // They say nothing: their time runs out, and there is room again.
  await Promise.all(idle.map((socket) => once(socket, 'close')));
  await fixture.connect();
  await until('an honest agent is accepted', () => fixture.accepted[0]);
});

test('accepted connections do not count as handshakes', async () => {
  await using fixture = await createStreamFixture({ maximumConcurrentHandshakes: 2 });
  for (let index = 0; index < 5; index += 1) {
    await fixture.connect();
    await until('it is accepted', () => fixture.accepted[index]);
  }
  expect(fixture.refusals).toEqual([]);
});

test('new connections get the renewed certificate, and old ones go on', async () => {
  await using fixture = await createStreamFixture();
  const first = await fixture.connect();
  const renewed = await serverCertificate(fixture.authority);
  fixture.listener.updateCertificates({ ca: fixture.authority.certificatePem, ...renewed });
  const socket = fixture.connectPlainly();
  await once(socket, 'secureConnect');
  expect(socket.getPeerX509Certificate()?.toString()).toBe(
    renewed.cert.endsWith('\n') ? renewed.cert : `${renewed.cert}\n`,
  );
  expect(socket.getProtocol()).toBe('TLSv1.3');
  const { connection } = await until('the first is accepted', () => fixture.accepted[0]);
  await first.send({ type: 'mark', markId: 1 });
  expect(await connection.receive()).toEqual({ type: 'mark', markId: 1 });
});

test('closing the listener ends its connections, and whoever waits is told', async () => {
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect();
  await until('it is accepted', () => fixture.accepted[0]);
  const waiting = agent.receive();
  await fixture.listener.close();
  const ended = await waiting.catch((thrown: unknown) => toLmsError(thrown).code);
  expect([null, 'UNAVAILABLE']).toContain(ended);
  await until('sending fails', () =>
    agent.send({ type: 'heartbeat' }).then(
      () => false,
      () => true,
    ),
  );
});

test('our own close rejects whoever waits', async () => {
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect();
  const waiting = agent.receive();
  agent.close();
  agent.close();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(agent.receive()).rejects.toMatchObject({ code: 'CANCELLED' });
});
