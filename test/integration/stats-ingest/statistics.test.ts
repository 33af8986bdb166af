import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EventConnection, publishFact } from '@lms/events';
import { AgentSample, Point, ReplicationState, StatisticsService, wordOf, type Event } from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import { createStatsIngestService, type StatsIngestServiceModule } from '@lms/stats-ingest';
import { TestAuthority } from '../harness/certificates.ts';
import { TestNatsServer } from '../harness/nats-server.ts';
import { until } from '../harness/until.ts';

const never = new AbortController().signal;

let nats: TestNatsServer;
let authority: TestAuthority;
let connection: EventConnection;
let service: StatsIngestServiceModule;
let client: RpcClient<typeof StatisticsService>;

beforeEach(async () => {
  nats = await TestNatsServer.start();
  authority = await TestAuthority.create();
  connection = await EventConnection.connect(nats.options, 'test', never);
  await startService();
});
afterEach(async () => {
  await stopService();
  await connection.close();
  await nats[Symbol.asyncDispose]();
});

async function startService(): Promise<void> {
  const tls = await authority.service('stats-ingest');
  service = createStatsIngestService({ listen: '127.0.0.1:0', tls, events: nats.options });
  await service.start(never);
  client = createRpcClient(StatisticsService, { address: service.address, component: 'stats-ingest', tls });
}

async function stopService(): Promise<void> {
  client.close();
  await service.stop();
}

function sample(state: keyof typeof ReplicationState, at: Date, backlogBytes = 0n): AgentSample {
  const disks = [{ diskId: 'd-1', replicatedBytes: 2n ** 60n, backlogBytes, tracker: 1 as const }];
  return AgentSample.fromPartial({ at, state: ReplicationState[state], disks });
}

function committed(sequence: bigint, createdAt: Date): Event {
  const point = Point.fromPartial({ sequence, createdAt: createdAt.toISOString() });
  return { occurredAt: createdAt, machineId: 'm-1', fact: { $case: 'pointCommitted', value: { point } } };
}

async function status() {
  const { statuses } = await client.getMachineStatuses({ machineIds: ['m-1'] });
  const [first] = statuses;
  if (first === undefined) throw new Error('no answer');
  return { ...first, state: wordOf(ReplicationState, first.state) };
}

test('what was reported and committed makes state, backlog and lag, also after a restart and kill -9 of NATS', async () => {
  expect(await status()).toMatchObject({ state: null, lagSeconds: undefined, backlogBytes: undefined });
  const now = new Date();
  await client.reportAgentStatistics({ machineId: 'm-1', batch: [sample('BACKLOG', now, 2n ** 55n)] });
  await publishFact(connection, committed(7n, new Date(now.getTime() - 5_000)), { messageId: 'p-7' });
  const seen = async () => {
    const found = await status();
    return found.state === 'BACKLOG' && found.lagSeconds !== undefined && found;
  };
  const before = await until('the report and the point', seen);
  expect(before.backlogBytes).toBe(2n ** 55n);
  expect(before.lagSeconds).toBeGreaterThanOrEqual(5);
  expect(before.lastSampleAt).toEqual(now);
  await stopService();
  await startService();
  // At once: it does not serve before it knows.
  expect(await seen()).toMatchObject({ backlogBytes: 2n ** 55n, disks: before.disks });
  await nats.kill();
  await nats.start();
  await until('reports are taken again', async () => {
    await client.reportAgentStatistics({ machineId: 'm-1', batch: [sample('CONTINUOUS', new Date())] });
    return (await status()).state === 'CONTINUOUS';
  });
  await until('all of it is well again', () => service.health().healthy);
});

test('a series has every sample once, oldest first, with the lag of its time', async () => {
  const start = Date.now() - 60_000;
  const at = (seconds: number): Date => new Date(start + seconds * 1_000);
  const batch = [sample('INITIAL_SYNC', at(0)), sample('CONTINUOUS', at(10))];
  await publishFact(connection, committed(1n, at(4)), { messageId: 'p-1' });
  await client.reportAgentStatistics({ machineId: 'm-1', batch });
  // As after an answer that was lost: the same batch again.
  await client.reportAgentStatistics({ machineId: 'm-1', batch });
  await client.reportAgentStatistics({ machineId: 'm-2', batch: [sample('PAUSED', at(0))] });
  await client.reportAgentStatistics({ machineId: 'm-1', batch: [sample('CONTINUOUS', at(20))] });
  const { samples } = await client.getSeries({ machineId: 'm-1', since: undefined, limit: 0 });
  expect(samples.map(({ lagSeconds }) => lagSeconds)).toEqual([undefined, 6, 16]);
  expect(samples[0]?.replicatedBytes).toBe(2n ** 60n);
  const newest = await client.getSeries({ machineId: 'm-1', since: undefined, limit: 1 });
  expect(newest.samples.map((found) => found.at)).toEqual([at(20)]);
});

test('a report with an id that could be a wildcard, and one that is too long, are refused', async () => {
  for (const machineId of ['', '>', 'a.b', '*']) {
    await expect(client.reportAgentStatistics({ machineId, batch: [] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  }
  const batch = Array.from({ length: 1_001 }, () => sample('PAUSED', new Date()));
  await expect(client.reportAgentStatistics({ machineId: 'm-1', batch })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field: 'batch',
  });
});
