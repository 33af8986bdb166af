/** Agents reach their replication servers through one port of a real HAProxy, by the names that they ask for. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { blockStreamServerName } from '@lms/identity';
import { until } from '../harness/until.ts';
import { isAlive, type ReplicationServerEnd } from './block-stream-ends.ts';
import { route, RouterFixture } from './router-fixture.ts';

jest.setTimeout(120_000);

const [ONE, TWO] = ['m-11111111111111111111', 'm-22222222222222222222'];
/** What fits into one packet of Ethernet. */
const PACKET_BYTES = 1_460;
const PIECE_BYTES = 400;

let fixture: RouterFixture;
let first: ReplicationServerEnd;
let second: ReplicationServerEnd;

beforeAll(async () => {
  fixture = await RouterFixture.start();
  first = await fixture.ends.listen(ONE);
  second = await fixture.ends.listen(TWO);
  fixture.staging.set(route(ONE, first.listener.port), route(TWO, second.listener.port));
  await fixture.ready();
});
afterAll(async () => {
  expect(await fixture.cleanup.run()).toEqual([]);
});

function connectOne() {
  return until('the machine gets through', () => fixture.ends.connect(fixture.port, ONE));
}

test('each of two machines reaches its own replication server, which knows where it came from', async () => {
  const one = await connectOne();
  const two = await until('the other gets through', () => fixture.ends.connect(fixture.port, TWO));
  expect(await Promise.all([isAlive(one), isAlive(two)])).toEqual([true, true]);
  expect(first.accepted.map(({ machineId }) => machineId)).toEqual([ONE]);
  expect(second.accepted.map(({ machineId }) => machineId)).toEqual([TWO]);
  one.close();
  const logged = await until('the router tells of it', () =>
    fixture.connectionLogs().find(({ outcome, serverName }) => outcome === 'routed' && serverName.startsWith(ONE)),
  );
  expect(first.accepted[0]?.address).toBe(logged.source);
  expect(logged.address).toBe('127.0.0.1');
  two.close();
});

test('a machine that is not in the list is refused, and so are names around one that is', async () => {
  const stranger = 'm-33333333333333333333';
  await expect(fixture.ends.connect(fixture.port, stranger)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await fixture.refusal('no route', blockStreamServerName(stranger))).toMatchObject({ address: '-' });
  for (const servername of [`x${blockStreamServerName(ONE)}`, `${blockStreamServerName(ONE)}.evil.example`, ONE]) {
    await expectClosed({ servername });
    await fixture.refusal('no route', servername);
  }
});

test('no server name, no TLS, and nothing at all but a connection reach nobody', async () => {
  const before = [first.accepted.length + first.refused.length, second.accepted.length + second.refused.length];
  await expectClosed({});
  const web = connectTcp(fixture.port, '127.0.0.1');
  web.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await closed(web);
  const probe = connectTcp(fixture.port, '127.0.0.1');
  await once(probe, 'connect');
  probe.destroy();
  expect([first.accepted.length + first.refused.length, second.accepted.length + second.refused.length]).toEqual(
    before,
  );
});

/** In order or not. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.on('close', () => resolve()));
}

async function expectClosed(options: { readonly servername?: string }): Promise<void> {
  const socket = connectTls({ host: '127.0.0.1', port: fixture.port, rejectUnauthorized: false, ...options });
  let secured = false;
  socket.on('secureConnect', () => (secured = true));
  await closed(socket);
  expect(secured).toBe(false);
}

test("a machine that asks for another one's name gets to its door and no further", async () => {
  const intruder = await fixture.ends.connect(fixture.port, TWO, ONE);
  expect(await intruder.receive()).toMatchObject({ type: 'error', code: 'UNAUTHENTICATED' });
  const refusal = await until('the refusal is told', () => first.refused.at(-1));
  expect(refusal.error.code).toBe('UNAUTHENTICATED');
  intruder.close();
  const logged = await until('the router tells of it', () =>
    fixture.connectionLogs().find(({ source }) => source === refusal.address),
  );
  expect(logged.outcome).toBe('routed');
});

/** What a process on this host has received on a connection, and not read yet. */
function unreadBytes(localPort: number, remotePort: number): number | null {
  const port = (address: string | undefined): number => Number.parseInt(address?.split(':')[1] ?? '', 16);
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (port(local) === localPort && port(remote) === remotePort) {
      return Number.parseInt(queues?.split(':')[1] ?? '', 16);
    }
  }
  return null;
}

test('a ClientHello that does not fit into one packet is read whole, also when it comes in small pieces', async () => {
  const sizes: number[] = [];
  const relay = createServer((agent) => {
    const router = connectTcp({ port: fixture.port, host: '127.0.0.1', noDelay: true });
    agent.once('data', (hello: Buffer) => {
      sizes.push(hello.length);
      agent.pause();
      void (async () => {
        for (let at = 0; at < hello.length; at += PIECE_BYTES) {
          await new Promise((sent) => router.write(hello.subarray(at, at + PIECE_BYTES), sent));
          await until('the router has read the piece', () => unreadBytes(fixture.port, router.localPort ?? 0) === 0);
        }
        agent.pipe(router);
      })();
    });
    router.pipe(agent);
    for (const socket of [agent, router]) socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const agent = await fixture.ends.connect((relay.address() as AddressInfo).port, ONE);
  expect(await isAlive(agent)).toBe(true);
  expect(sizes[0]).toBeGreaterThan(PACKET_BYTES);
  agent.close();
  relay.close();
});
