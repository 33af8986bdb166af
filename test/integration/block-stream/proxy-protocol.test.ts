/** The listener behind a router: where each connection came from, and what happens to those that do not say it. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test } from '@jest/globals';
import { ALPN_PROTOCOL } from '@lms/block-stream';
import type { BlockStreamPeer } from '@lms/block-stream';
import { blockStreamServerName } from '@lms/identity';
import { until } from '../harness/until.ts';
import { createStreamFixture, MACHINE_ID, type StreamFixture } from './stream-fixture.ts';

const HEADER = Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4711 1500\r\n');
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

async function createListener(refusedAddresses: string[] = [], handshakeTimeoutMilliseconds = 10_000) {
  const peers: BlockStreamPeer[] = [];
  const fixture = await createStreamFixture({
    proxyProtocol: 'required',
    handshakeTimeoutMilliseconds,
    onConnection: (connection, peer) => {
      peers.push(peer);
      void connection.receive().catch(() => undefined);
    },
    onRefused: (error, address) => {
      fixture.refusals.push(error);
      refusedAddresses.push(address);
    },
  });
  return { fixture, peers };
}

async function connectPlainly({ listener }: StreamFixture): Promise<Socket> {
  const socket = connectTcp(listener.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

function startTls(fixture: StreamFixture, socket: Socket) {
  const tls = connectTls({
    socket,
    servername: blockStreamServerName(MACHINE_ID),
    ca: fixture.authority.certificatePem,
    ...fixture.machine,
    ALPNProtocols: [ALPN_PROTOCOL],
  });
  tls.on('error', () => undefined);
  return tls;
}

test('an agent that comes through a router is known by its own address', async () => {
  const { fixture, peers } = await createListener();
  await using _closed = fixture;
  const socket = await connectPlainly(fixture);
  socket.write(HEADER);
  await once(startTls(fixture, socket), 'secureConnect');
  const peer = await until('it is accepted', () => peers[0]);
  expect(peer).toEqual({ machineId: MACHINE_ID, address: '192.0.2.1:4711' });
});

test('header and ClientHello may come in one packet, and in pieces of one byte', async () => {
  const { fixture, peers } = await createListener();
  await using _closed = fixture;
  for (const pieces of [false, true]) {
    const socket = await connectPlainly(fixture);
    socket.setNoDelay(true);
    if (pieces) for (const byte of HEADER) await new Promise((sent) => socket.write(Buffer.of(byte), sent));
    else {
      socket.cork();
      socket.write(HEADER);
      process.nextTick(() => socket.uncork());
    }
    await once(startTls(fixture, socket), 'secureConnect');
  }
  await until('both are accepted', () => peers.length === 2);
  expect(peers.map(({ address }) => address)).toEqual(['192.0.2.1:4711', '192.0.2.1:4711']);
});

test('a router that speaks for itself is known by its own address', async () => {
  const { fixture, peers } = await createListener();
  await using _closed = fixture;
  const socket = await connectPlainly(fixture);
  socket.write(LOCAL);
  await once(startTls(fixture, socket), 'secureConnect');
  const peer = await until('it is accepted', () => peers[0]);
  expect(peer.address).toBe(`127.0.0.1:${socket.localPort}`);
});

test('an agent that comes past the router is refused, and so is one whose certificate is wrong, by its own address', async () => {
  const refusedAddresses: string[] = [];
  const { fixture } = await createListener(refusedAddresses);
  await using _closed = fixture;
  const direct = await connectPlainly(fixture);
  startTls(fixture, direct);
  await once(direct, 'close');
  expect(fixture.refusals[0]).toMatchObject({ code: 'PROTOCOL_VIOLATION', field: 'PROXY header' });

  const socket = await connectPlainly(fixture);
  socket.write(HEADER);
  startTls({ ...fixture, machine: { key: '', cert: '' } }, socket).resume();
  await until('it is refused', () => fixture.refusals.length === 2);
  expect(refusedAddresses[1]).toBe('192.0.2.1:4711');
});

test('a header that never comes, or never ends, holds its place no longer than a handshake may', async () => {
  const { fixture } = await createListener([], 300);
  await using _closed = fixture;
  const silent = await connectPlainly(fixture);
  const slow = await connectPlainly(fixture);
  slow.write(HEADER.subarray(0, 20));
  await Promise.all([once(silent, 'close'), once(slow, 'close')]);
  await until('both are refused', () => fixture.refusals.length === 2);
  expect(fixture.refusals.map(({ code }) => code)).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED']);
  const gone = await connectPlainly(fixture);
  gone.end(HEADER.subarray(0, 20));
  await until('the third is refused', () => fixture.refusals.length === 3);
  expect(fixture.refusals[2]).toMatchObject({ code: 'UNAVAILABLE' });
});
