// What one NATS holds: messages a second with each of them synced, alone and as three copies; what state costs it, and each
// service that has it in memory; and how long the bounds of the streams last.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import process from 'node:process';
import { runInNewContext } from 'node:vm';
import {
  ensureStream,
  EVENT_STREAM,
  EventConnection,
  messageState,
  publish,
  publishFact,
  StateBucket,
  STATISTICS_STREAM,
  statisticsSubject,
  type EventsOptions,
  type StateCodec,
} from '@lms/events';
import { Machine, Point } from '@lms/proto';
import { residentMebibytes } from '../bench/meter.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { TestNatsServer } from '../integration/harness/nats-server.ts';
import { runLoad } from './load.ts';
import { machineIdOf } from './machines.ts';
import { agentReport, pointCommitted, serverReport, storedMachine, storedPoint } from './messages.ts';
import { startNatsCluster } from './nats-cluster.ts';
import { inParallel } from './parallel.ts';
import { figure, printTable, say, sayHowBusy } from './report.ts';
import { withCleanup } from './with-cleanup.ts';

const SECONDS = 4;
/** As default retention keeps them. */
const POINTS_PER_MACHINE = 37;
const CLUSTER_MILLISECONDS = 60_000;
const FACTS = 50_000;
const KIBIBYTE = 1024;
const never = new AbortController().signal;

export async function measureNats(parameters: readonly string[]): Promise<void> {
  const [machines = 2_000] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    say(`the disk alone: ${figure(syncsPerSecond())} writes a second, each synced`);
    const rows = [];
    const alone = await TestNatsServer.start();
    cleanup.add('stop NATS', () => alone[Symbol.asyncDispose]());
    const one = new Map([['nats', alone.pid]]);
    rows.push(...(await measurePublishing('one server', alone.options, one, cleanup)));
    await alone[Symbol.asyncDispose]();
    const { options, processes } = await startNatsCluster(cleanup);
    rows.push(...(await measurePublishing('three copies, on one disk', options, processes, cleanup)));
    printTable(['synced publishes', 'at a time', 'a second', 'p50 ms', 'p99 ms', 'CPU ms of NATS'], rows);
    await measureState(machines, cleanup);
  });
}

/** What everything that is synced waits for, on this disk. */
function syncsPerSecond(): number {
  const folder = mkdtempSync(join(tmpdir(), 'lms-scale-disk-'));
  const file = openSync(join(folder, 'file'), 'w');
  try {
    const record = Buffer.alloc(400, 1);
    const startedAt = performance.now();
    let count = 0;
    while (performance.now() - startedAt < 1_000) {
      writeSync(file, record);
      fdatasyncSync(file);
      count += 1;
    }
    return (count * 1_000) / (performance.now() - startedAt);
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

async function measurePublishing(
  where: string,
  options: EventsOptions,
  processes: ReadonlyMap<string, number>,
  cleanup: Cleanup,
): Promise<readonly (readonly string[])[]> {
  const connection = await EventConnection.connect(options, 'scale', never);
  cleanup.add('close the connection to NATS', () => connection.close());
  await waitFor('JetStream', () => ensureStream(connection, STATISTICS_STREAM).then(() => true), {
    timeoutMilliseconds: CLUSTER_MILLISECONDS,
  });
  const rows = [];
  for (const concurrency of [1, 64, 512]) {
    say(`${where}: ${concurrency} at a time`);
    const result = await runLoad({
      seconds: SECONDS,
      concurrency,
      processes,
      ask: async (index) => {
        await publish(connection, statisticsSubject('agent', machineIdOf(index % 1_000)), agentReport(index), {
          messageId: String(index * 1_000 + concurrency),
        });
      },
    });
    const cpu = [...result.cpuMilliseconds.values()].reduce((sum, cost) => sum + cost, 0);
    const { perSecond, p50Milliseconds, p99Milliseconds } = result;
    rows.push([where, String(concurrency), ...[perSecond, p50Milliseconds, p99Milliseconds, cpu].map(figure)]);
  }
  await connection.close();
  return rows;
}

/** On a server that does not sync each write: how it was filled changes nothing of what it holds. */
async function measureState(machines: number, cleanup: Cleanup): Promise<void> {
  const server = await TestNatsServer.start({ syncInterval: '2m' });
  cleanup.add('stop the NATS that is filled', () => server[Symbol.asyncDispose]());
  const connection = await EventConnection.connect(server.options, 'scale', never);
  cleanup.add('close the connection to it', () => connection.close());
  const rows = [
    await measureBucket(connection, server, 'LMS_MACHINES', messageState(Machine, 1), machines, storedMachine),
    await measureBucket(connection, server, 'LMS_POINTS', messageState(Point, 1), machines * POINTS_PER_MACHINE, (at) =>
      storedPoint(Math.floor(at / POINTS_PER_MACHINE), 1 + (at % POINTS_PER_MACHINE)),
    ),
  ];
  printTable(
    ['state', 'entries', 'bytes each on disk', 'KiB each in a service', 'KiB each in NATS', 'ms to load 1,000'],
    rows,
  );
  printTable(
    ['message', 'bytes each on disk', 'KiB each in NATS'],
    [
      await measureMessages(connection, server, 'statistics of an agent', STATISTICS_STREAM.name, (index) =>
        publish(connection, statisticsSubject('agent', machineIdOf(index % machines)), agentReport(index), {
          messageId: `agent-${index}`,
        }),
      ),
      await measureMessages(connection, server, 'statistics of a replication server', STATISTICS_STREAM.name, (index) =>
        publish(
          connection,
          statisticsSubject('replication-server', `rs-${machineIdOf(index % machines)}`),
          serverReport(index),
          { messageId: `server-${index}` },
        ),
      ),
      await measureMessages(connection, server, 'fact of a point', EVENT_STREAM.name, (index) =>
        publishFact(connection, pointCommitted(index % machines, index), { messageId: `point-${index}` }),
      ),
    ],
  );
}

async function measureBucket<Value>(
  connection: EventConnection,
  server: TestNatsServer,
  name: string,
  codec: StateCodec<Value>,
  count: number,
  entryOf: (index: number) => { readonly key: string; readonly value: string },
): Promise<readonly string[]> {
  say(`${name}: ${count} entries`);
  await (await StateBucket.open(connection, { name, codec }, never)).close();
  const residentBefore = residentMebibytes(server.pid);
  await inParallel(count, (index) => {
    const { key, value } = entryOf(index);
    return connection.jetstream.publish(`$KV.${name}.${key}`, value);
  });
  const inNats = (residentMebibytes(server.pid) - residentBefore) * KIBIBYTE;
  const { state } = await connection.manager.streams.info(`KV_${name}`);
  const heapBefore = heapBytes();
  const startedAt = performance.now();
  const bucket = await StateBucket.open(connection, { name, codec }, never);
  const tookMilliseconds = performance.now() - startedAt;
  const inService = (heapBytes() - heapBefore) / KIBIBYTE;
  if (bucket.size !== count) throw new Error(`${name} has ${bucket.size} entries, not ${count}`);
  await bucket.close();
  const each = [state.bytes, inService, inNats, tookMilliseconds * 1_000].map((value) => figure(value / count));
  return [name, String(count), ...each];
}

async function measureMessages(
  connection: EventConnection,
  server: TestNatsServer,
  what: string,
  stream: string,
  send: (index: number) => Promise<unknown>,
): Promise<readonly string[]> {
  say(`${what}: ${FACTS} messages`);
  await ensureStream(connection, stream === EVENT_STREAM.name ? EVENT_STREAM : STATISTICS_STREAM);
  const bytes = async (): Promise<number> => (await connection.manager.streams.info(stream)).state.bytes;
  const before = await bytes();
  const residentBefore = residentMebibytes(server.pid);
  await inParallel(FACTS, send);
  const inNats = (residentMebibytes(server.pid) - residentBefore) * KIBIBYTE;
  return [what, ...[(await bytes()) - before, inNats].map((value) => figure(value / FACTS))];
}

/** What is in use after everything that is not was thrown away. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
