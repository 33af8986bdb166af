// What one router holds: the real HAProxy with the product's configuration and the program that keeps its routes. Agents are
// TCP connections that begin with a real ClientHello, which is all of TLS that HAProxy reads: so the ends cost little, and
// what is measured is HAProxy. Throughput also goes through whole block streams, direct and routed in turns.

import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { BLOCK_SIZE_BYTES, type Frame, type TlsFrameConnection } from '@lms/block-stream';
import { blockStreamServerName } from '@lms/identity';
import { cpuSeconds, residentMebibytes } from '../bench/meter.ts';
import { median } from '../bench/results.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { RouterFixture, route } from '../integration/router/router-fixture.ts';
import { machineIdOf } from './machines.ts';
import { inParallel } from './parallel.ts';
import { figure, printTable, say, sayHowBusy } from './report.ts';
import { withCleanup } from './with-cleanup.ts';

type WriteFrame = Extract<Frame, { type: 'write' }>;

const ROUTES = 10_000;
const SETTINGS = { LMS_ROUTER_CONNECTIONS_PER_SOURCE_MAX: '100000', LMS_ROUTER_RATE_PER_SOURCE_MAX: '1000000' };
const RATE_CONNECTIONS = 3_000;
const ROUNDS = 3;
const MEBIBYTE = 1024 ** 2;
const RAW_BYTES = 1_024 * MEBIBYTE;
const STREAM_BYTES = 256 * MEBIBYTE;
const PIECE_BYTES = MEBIBYTE;
const WAIT_MILLISECONDS = 120_000;
/** One that is not closed by then was not refused. */
const PROBE_MILLISECONDS = 500;
const BLOCKS_OF_A_FRAME = 16;
const DIGEST_BYTES = 16;

export async function measureRouter(parameters: readonly string[]): Promise<void> {
  const [connections = 5_000] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    const fixture = await RouterFixture.start(SETTINGS, 500);
    cleanup.add('end the router', async () => {
      for (const problem of await fixture.cleanup.run()) say(problem);
    });
    const sink = await Sink.start(cleanup);
    const direct = await Sink.start(cleanup);
    fixture.staging.set(...Array.from({ length: ROUTES }, (_, index) => route(machineIdOf(index), sink.port)));
    const hello = await clientHello(blockStreamServerName(machineIdOf(ROUTES - 1)));
    await waitFor('HAProxy to hold the last of the routes', () => getsThrough(fixture.port, hello, sink));
    await measureConnections(fixture, sink, hello, connections, cleanup);
    await measureThroughput(fixture, sink, direct, hello);
    await measureStreams(fixture);
  });
}

/** Takes connections and throws away what comes. */
class Sink {
  readonly port: number;
  readonly sockets = new Set<Socket>();
  accepted = 0;
  bytes = 0;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(cleanup: Cleanup): Promise<Sink> {
    const server = createServer((socket) => sink.#accept(socket));
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
    await once(server, 'listening');
    const sink = new Sink((server.address() as AddressInfo).port);
    cleanup.add('close a sink', () => {
      for (const socket of sink.sockets) socket.destroy();
      server.close();
    });
    return sink;
  }

  #accept(socket: Socket): void {
    this.accepted += 1;
    this.sockets.add(socket);
    socket.on('data', (data) => (this.bytes += data.length));
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}

/** The first bytes of an agent: what Node's TLS sends before it has heard anything. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, servername });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

async function open(port: number, hello: Buffer): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(hello);
  return socket;
}

async function getsThrough(port: number, hello: Buffer, sink: Sink): Promise<boolean> {
  const before = sink.accepted;
  const socket = await open(port, hello);
  await once(socket, 'close', { signal: AbortSignal.timeout(PROBE_MILLISECONDS) }).catch(() => undefined);
  socket.destroy();
  return sink.accepted > before;
}

async function measureConnections(
  fixture: RouterFixture,
  sink: Sink,
  hello: Buffer,
  count: number,
  cleanup: Cleanup,
): Promise<void> {
  say(`${count} connections are held`);
  const held: Socket[] = [];
  const acceptedBefore = sink.accepted;
  cleanup.add('end what is held', () => held.forEach((socket) => socket.destroy()));
  const reached = (wanted: number) =>
    waitFor('all to have come through', () => sink.accepted - acceptedBefore >= wanted, {
      timeoutMilliseconds: WAIT_MILLISECONDS,
    });
  const before = residentMebibytes(fixture.haproxyPid);
  await inParallel(count, async () => held.push(await open(fixture.port, hello)));
  await reached(count);
  const kibibytes = ((residentMebibytes(fixture.haproxyPid) - before) * 1_024) / count;
  say('new connections, which go at once');
  const cpuBefore = cpuSeconds(fixture.haproxyPid);
  const startedAt = performance.now();
  await inParallel(RATE_CONNECTIONS, async (index) => {
    const socket = await open(fixture.port, hello);
    await waitFor('it to come through', () => sink.accepted - acceptedBefore > count + index - 64, {
      pollMilliseconds: 1,
    });
    socket.destroy();
  });
  await reached(count + RATE_CONNECTIONS);
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = cpuSeconds(fixture.haproxyPid) - cpuBefore;
  for (const socket of held.splice(0)) socket.destroy();
  printTable(
    ['HAProxy', 'figure'],
    [
      [`memory with ${ROUTES} routes and no connection`, `${figure(before)} MiB`],
      [`memory of each of ${count} connections`, `${figure(kibibytes)} KiB`],
      ['new connections a second, ends on the same processors', figure(RATE_CONNECTIONS / seconds)],
      ['processor time of a new connection', `${figure((cpu * 1_000) / RATE_CONNECTIONS)} ms`],
    ],
  );
}

/** Bytes of nothing behind a ClientHello: the most that HAProxy can pass on here. */
async function measureThroughput(fixture: RouterFixture, routed: Sink, direct: Sink, hello: Buffer): Promise<void> {
  const rates = { direct: [] as number[], routed: [] as number[], cpu: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    say(`round ${round + 1}: ${RAW_BYTES / MEBIBYTE} MiB without TLS, direct and routed`);
    rates.direct.push(await pour(direct, direct.port, hello));
    const cpuBefore = cpuSeconds(fixture.haproxyPid);
    rates.routed.push(await pour(routed, fixture.port, hello));
    rates.cpu.push(((cpuSeconds(fixture.haproxyPid) - cpuBefore) * 1_024 * MEBIBYTE) / RAW_BYTES);
  }
  const ratios = rates.routed.map((rate, round) => rate / (rates.direct[round] ?? Number.NaN));
  printTable(
    ['TCP without TLS, one connection', 'direct MiB/s', 'routed MiB/s', 'ratio', 'CPU s of HAProxy for a GiB'],
    [['median of three', ...[rates.direct, rates.routed, ratios, rates.cpu].map((values) => figure(median(values)))]],
  );
}

/** MiB/s. */
async function pour(sink: Sink, port: number, hello: Buffer): Promise<number> {
  const socket = await open(port, hello);
  const piece = Buffer.alloc(PIECE_BYTES, 1);
  const wanted = sink.bytes + RAW_BYTES;
  const startedAt = performance.now();
  for (let sent = 0; sent < RAW_BYTES; sent += PIECE_BYTES) if (!socket.write(piece)) await once(socket, 'drain');
  await waitFor('the sink to have it all', () => sink.bytes >= wanted, { pollMilliseconds: 1 });
  const seconds = (performance.now() - startedAt) / 1_000;
  socket.destroy();
  return RAW_BYTES / MEBIBYTE / seconds;
}

/** Whole block streams, TLS 1.3 with client certificates, both ends in this process. */
async function measureStreams(fixture: RouterFixture): Promise<void> {
  const [proxied, plain] = [machineIdOf(1), machineIdOf(2)];
  const end = await fixture.ends.listen(proxied, { answer: acknowledgeMarks });
  const other = await fixture.ends.listen(plain, { answer: acknowledgeMarks, behindRouter: false });
  fixture.staging.set(route(proxied, end.listener.port));
  const rates = { direct: [] as number[], routed: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    say(`round ${round + 1}: ${STREAM_BYTES / MEBIBYTE} MiB of a block stream, direct and routed`);
    rates.direct.push(await stream(() => fixture.ends.connect(other.listener.port, plain)));
    rates.routed.push(await stream(() => fixture.ends.connect(fixture.port, proxied)));
  }
  const ratios = rates.routed.map((rate, round) => rate / (rates.direct[round] ?? Number.NaN));
  printTable(
    ['block stream, both ends in one process', 'direct MiB/s', 'routed MiB/s', 'ratio'],
    [['median of three', ...[rates.direct, rates.routed, ratios].map((values) => figure(median(values)))]],
  );
}

/** Everything else is thrown away. */
async function acknowledgeMarks(connection: TlsFrameConnection): Promise<void> {
  try {
    for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
      if (frame.type === 'mark') await connection.send({ type: 'heartbeat' });
    }
  } catch {
    // The other end has gone, as it does after each round.
  }
  connection.close();
}

/** MiB/s, until the other end has said that it has it all. */
async function stream(connect: () => Promise<TlsFrameConnection>): Promise<number> {
  const connection = await waitFor('the router to know the way', connect);
  const payload = Buffer.alloc(BLOCKS_OF_A_FRAME * BLOCK_SIZE_BYTES, 1);
  const write: WriteFrame = {
    type: 'write',
    diskIndex: 0,
    firstBlock: 0,
    blockCount: BLOCKS_OF_A_FRAME,
    codec: 'raw',
    rawLengthBytes: payload.length,
    digests: new Uint8Array(DIGEST_BYTES * BLOCKS_OF_A_FRAME),
    payload,
  };
  const startedAt = performance.now();
  for (let sent = 0; sent < STREAM_BYTES; sent += payload.length) await connection.send(write);
  await connection.send({ type: 'mark', markId: 1 });
  await connection.receive();
  const seconds = (performance.now() - startedAt) / 1_000;
  connection.close();
  return STREAM_BYTES / MEBIBYTE / seconds;
}
