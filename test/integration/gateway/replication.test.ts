import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { UNLIMITED, type AgentStatistics, type PointReport, type ReplicationServerApi } from '@lms/api';
import { TestGateway, never, type Enrolled } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

const SERVER = 'staging-host';
let gateway: TestGateway;
let server: ReplicationServerApi;
const assigned: string[] = [];

beforeAll(async () => {
  gateway = await TestGateway.start();
  server = await gateway.enrolReplicationServer(SERVER);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const disks = [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576 }];

async function enrolAssigned(): Promise<Enrolled> {
  const agent = await gateway.enrolAgent();
  assigned.push(agent.answer.machineId);
  gateway.staging.assign(SERVER, [...assigned]);
  return agent;
}

function point(sequence: number, change: Partial<PointReport> = {}): PointReport {
  return {
    sequence,
    checkpointId: `checkpoint-${sequence}`,
    requestId: '',
    consistency: 'crash',
    createdAt: new Date().toISOString().replace('Z', '456Z'),
    pauseMicroseconds: 0,
    disks: disks.map((disk) => ({ ...disk, sha256: null })),
    ...change,
  };
}

function sample(change: Partial<AgentStatistics> = {}): AgentStatistics {
  return {
    at: new Date().toISOString(),
    state: 'CONTINUOUS',
    stallCause: null,
    stallDetail: null,
    detail: null,
    disks: [{ diskId: 'serial-1', replicatedBytes: 1_000_000, backlogBytes: 48_576, tracker: 'trace' }],
    bytesReadSource: 1,
    bytesSentWire: 2,
    bytesRaw: 3,
    chunksRaw: 4,
    chunksCompressed: 5,
    trackerLosses: 0,
    lastPauseMicroseconds: null,
    residentBytes: 6,
    cpuSeconds: 0.5,
    ...change,
  };
}

test('a machine that has told nothing is shown with null where nothing is known, and never with 0', async () => {
  const { answer } = await gateway.enrolAgent();
  const machine = await gateway.operator.machine(answer.name, never);
  expect(machine).toMatchObject({
    id: answer.machineId,
    name: answer.name,
    stallCause: null,
    lagSeconds: null,
    backlogBytes: null,
    lastPoint: null,
    lifecycleState: 'NOT_READY',
    agent: { version: '1.0.0', connected: false, lastSeenAt: null },
    disks: [
      {
        id: 'serial-1',
        device: '/dev/sda',
        sizeBytes: 1_048_576,
        replicatedBytes: null,
        backlogBytes: null,
        tracker: null,
      },
    ],
  });
});

test('what agent and replication server report is what the operator sees', async () => {
  const { api, answer } = await enrolAssigned();
  const serverName = `${answer.machineId}.block-stream.lms.internal`;
  gateway.staging.endpoint = { host: '127.0.0.1', port: 1500, serverName };
  gateway.staging.alternatives = [{ host: '10.0.0.1', port: 1501, serverName }];
  const heartbeat = await api.heartbeat({ version: '1.0.1', bootId: 'boot', disks }, never);
  expect(heartbeat).toEqual({
    blockStream: gateway.staging.endpoint,
    blockStreamAlternatives: gateway.staging.alternatives,
    settings: {
      pointIntervalSeconds: 10,
      freezeIntervalSeconds: 60,
      freezing: true,
      compression: 'adaptive',
      bandwidth: UNLIMITED,
    },
    desired: { paused: false },
    heartbeatSeconds: 10,
  });
  await server.ready({ address: '127.0.0.1', port: 1500, freeBytes: 5, pid: 1, version: '1' }, never);
  await server.reportPoints(answer.machineId, { complete: true, points: [point(1), point(2)] }, never);
  await api.statistics([sample()], never);
  await server.statistics(
    [
      {
        at: new Date().toISOString(),
        machineId: answer.machineId,
        session: 'connected',
        bytesReceivedWire: 1,
        bytesRaw: 1,
        bytesWritten: 1,
        lastMark: 1,
        pointsCount: 2,
        usedBytes: 1,
        freeBytes: 1,
        stallCause: null,
        steps: { stagingDisks: true, connected: true, dataTransfer: true },
        residentBytes: 1,
        cpuSeconds: 1,
      },
    ],
    never,
  );
  const machine = await until('statistics have arrived', async () => {
    const shown = await gateway.operator.machine(answer.machineId, never);
    return shown.replicationState === 'CONTINUOUS' && shown.lagSeconds !== null ? shown : null;
  });
  expect(machine).toMatchObject({
    lifecycleState: 'READY_FOR_TEST',
    backlogBytes: 48_576,
    lastPoint: { sequence: 2, pinned: false, consistency: 'crash' },
    agent: { version: '1.0.1', connected: true },
    disks: [{ replicatedBytes: 1_000_000, backlogBytes: 48_576, tracker: 'trace' }],
  });
  const series = await gateway.operator.machineStatistics(answer.machineId, {}, never);
  expect(series.samples.at(-1)).toMatchObject({
    replicationState: 'CONTINUOUS',
    bytesRaw: 3,
    lastPauseMicroseconds: null,
  });
  const { steps } = await gateway.operator.initiation(answer.machineId, never);
  expect(steps[0]).toMatchObject({
    step: 'CREATE_STAGING_DISKS',
    state: 'FAILED',
    error: 'no room',
    nextAttemptAt: null,
  });
});

test('an operator’s point goes to the agent, comes back from the replication server, and is over only then', async () => {
  const { api, answer } = await enrolAssigned();
  const waiting = api.commands(25, [], never);
  const request = { consistency: 'crash', timeoutSeconds: 60 } as const;
  const { operationId } = await gateway.operator.createPoint(answer.name, request, 'key-1', never);
  const again = await gateway.operator.createPoint(answer.name, request, 'key-1', never);
  expect(again.operationId).toBe(operationId);
  const { commands } = await waiting;
  expect(commands).toMatchObject([{ id: operationId, kind: 'createPoint', consistency: 'crash' }]);
  expect(commands[0]?.remainingSeconds).toBeGreaterThan(0);
  expect(commands[0]?.remainingSeconds).toBeLessThanOrEqual(60);
  expect((await api.commands(0, [operationId], never)).commands).toEqual([]);
  await api.commandResult(operationId, { state: 'succeeded', sequence: 7 }, never);
  expect(await gateway.operator.operation(operationId, 0, never)).toMatchObject({ state: 'pending', point: null });
  const over = gateway.operator.operation(operationId, 25, never);
  const reported = point(7, { requestId: operationId });
  await server.reportPoints(answer.machineId, { complete: false, points: [reported] }, never);
  expect(await over).toMatchObject({
    state: 'succeeded',
    sequence: 7,
    point: { sequence: 7, createdAt: reported.createdAt },
  });
});

test('a point that the agent could not make fails with the agent’s own words', async () => {
  const { api, answer } = await enrolAssigned();
  const { operationId } = await gateway.operator.createPoint(answer.name, {}, 'key', never);
  const failure = { state: 'failed', code: 'DEADLINE_EXCEEDED', message: 'disk /dev/sda was busy' } as const;
  await api.commandResult(operationId, failure, never);
  const over = await gateway.operator.operation(operationId, 0, never);
  expect(over).toMatchObject({ state: 'failed', code: 'DEADLINE_EXCEEDED', message: 'disk /dev/sda was busy' });
});

test('freezing that is switched off, a pause, and the newest point are refused with what is possible', async () => {
  const { answer, api } = await enrolAssigned();
  const { operator } = gateway;
  await operator.changeMachineSettings(answer.name, { freezing: false }, never);
  const frozen = operator.createPoint(answer.name, { consistency: 'filesystem' }, 'k', never);
  await expect(frozen).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', action: expect.stringContaining('crash') });
  await operator.machineAction(answer.name, 'pause', never);
  const heartbeat = await api.heartbeat({ version: '1', bootId: 'b', disks }, never);
  expect(heartbeat).toMatchObject({ desired: { paused: true }, settings: { freezing: false } });
  await expect(operator.createPoint(answer.name, {}, 'k2', never)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
  });
  await operator.machineAction(answer.name, 'resume', never);
  const { commands } = await api.commands(0, [], never);
  expect(commands.map((command) => command.kind)).toEqual(['pause', 'resume']);
  await server.reportPoints(answer.machineId, { complete: true, points: [point(1)] }, never);
  await expect(operator.deletePoint(answer.name, 1, never)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(operator.verifyPoint(answer.name, 2, never)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('settings are changed under the condition that they are still those that were read', async () => {
  const { answer } = await enrolAssigned();
  const path = `/v1/machines/${answer.name}/settings`;
  const token = gateway.apiToken;
  const read = await gateway.send('GET', path, { token });
  const headers = { 'if-match': String(read.headers['etag']) };
  const first = await gateway.send('PATCH', path, { token, headers, body: { pointIntervalSeconds: 30 } });
  expect(first).toMatchObject({ status: 200, body: { pointIntervalSeconds: 30, freezing: true } });
  // What is pending is asked of the settings that are answered: staging-controller may not have heard of them yet.
  const blockStream = { use: 'private', private: { host: '10.1.2.3', port: 1500 } };
  expect(await gateway.send('PATCH', path, { token, body: { blockStream } })).toMatchObject({ body: { blockStream } });
  expect(gateway.staging.askedWaysOf).toMatchObject({ private: { host: '10.1.2.3', port: 1500 } });
  const second = await gateway.send('PATCH', path, { token, headers, body: { pointIntervalSeconds: 40 } });
  expect(second.status).toBe(412);
  const wrong = await gateway.send('PATCH', path, { token, body: { pointIntervalSeconds: 0 } });
  expect(wrong).toMatchObject({ status: 400, body: { field: 'pointIntervalSeconds' } });
});

test('a task reaches the replication server that serves the machine, at once, and goes when its result is there', async () => {
  const { answer } = await enrolAssigned();
  await server.reportPoints(answer.machineId, { complete: true, points: [point(1), point(2)] }, never);
  const before = await server.assignments(null, 0, never);
  expect(before.machines.map((machine) => machine.machineId)).toContain(answer.machineId);
  const waiting = server.assignments(before.revision, 25, never);
  const { operationId } = await gateway.operator.verifyPoint(answer.name, 1, never);
  const { tasks, revision } = await waiting;
  expect(tasks).toEqual([{ id: operationId, kind: 'verify', machineId: answer.machineId, sequence: 1 }]);
  const sha256 = 'cd'.repeat(32);
  const report = { blocksChecked: 16, mismatchedBlocks: 0, mismatches: [], sha256: { 'serial-1': sha256 } };
  const gone = server.assignments(revision, 25, never);
  await server.taskResult(operationId, { state: 'succeeded', report }, never);
  expect((await gone).tasks).toEqual([]);
  const over = await gateway.operator.operation(operationId, 0, never);
  expect(over).toMatchObject({ state: 'succeeded', verifyReport: report });
  const { points } = await gateway.operator.listPoints(answer.name, {}, never);
  expect(points[0]?.disks[0]?.sha256).toBe(sha256);
});

test('a replication server may not speak of machines that it does not serve', async () => {
  const { answer } = await gateway.enrolAgent();
  const other = server.reportPoints(answer.machineId, { complete: true, points: [point(1)] }, never);
  await expect(other).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  const machine = await gateway.operator.machine(answer.machineId, never);
  expect(machine.lastPoint).toBeNull();
});

test('logs that were sent are found again, newest last, page by page', async () => {
  const { api, answer } = await enrolAssigned();
  const batch = Array.from({ length: 30 }, (_unused, index) => ({
    at: new Date().toISOString(),
    level: 'info' as const,
    message: `line ${index}`,
    attributes: { index },
  }));
  await api.logs(batch, never);
  const query = { source: 'agent', id: answer.machineId, limit: 20 } as const;
  const newest = await until('the logs are stored', async () => {
    const found = await gateway.operator.logs(query, never);
    return found.records.length === 20 ? found : null;
  });
  expect(newest.records.at(-1)).toMatchObject({ message: 'line 29', attributes: { index: 29 }, id: answer.machineId });
  const older = await gateway.operator.logs({ ...query, pageToken: newest.nextPageToken ?? '' }, never);
  expect(older.records.map((record) => record.message)).toEqual(batch.slice(0, 10).map((record) => record.message));
});

test('lists come page by page, each machine once and by name', async () => {
  for (let index = 0; index < 5; index += 1) await gateway.enrolAgent();
  const names: string[] = [];
  let pageToken: string | undefined;
  do {
    const page = await gateway.operator.listMachines(
      { pageSize: 2, ...(pageToken === undefined ? {} : { pageToken }) },
      never,
    );
    expect(page.machines.length).toBeLessThanOrEqual(2);
    names.push(...page.machines.map((machine) => machine.name));
    pageToken = page.nextPageToken ?? undefined;
  } while (pageToken !== undefined);
  expect(names.length).toBeGreaterThanOrEqual(5);
  expect(names).toEqual([...new Set(names)].sort());
  const broken = gateway.operator.listMachines({ pageToken: 'broken' }, never);
  await expect(broken).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'pageToken' });
});

test('status has a row for each component, and one that does not answer says so', async () => {
  const before = await gateway.operator.status(never);
  expect(before.components.map((row) => row.name)).toEqual([
    'nats',
    'gateway',
    'registry',
    'stats-ingest',
    'log-ingest',
    'staging-controller',
    'replication-server',
  ]);
  expect(before).toMatchObject({ healthy: false, managerUrl: gateway.url, blockStream: '127.0.0.1:1500' });
  expect(before.components[1]).toMatchObject({ pid: process.pid, healthy: true, detail: null });
  expect(before.components[6]).toMatchObject({ pid: 42, healthy: false, detail: 'starting' });
  await gateway.registry.stop();
  const after = await gateway.operator.status(never);
  const row = (name: string) => after.components.find((component) => component.name === name);
  expect(after.healthy).toBe(false);
  expect(row('registry')).toMatchObject({
    pid: null,
    healthy: false,
    detail: expect.stringContaining('does not answer'),
  });
  expect(row('nats')).toMatchObject({ healthy: false, detail: expect.stringContaining('not known') });
  expect(row('stats-ingest')).toMatchObject({ healthy: true });
  // Everything else needs the registry: nobody is let in, and is told that it may pass.
  const refused = { code: 'UNAVAILABLE', retryable: true };
  await expect(gateway.operator.listMachines({}, never)).rejects.toMatchObject(refused);
});
