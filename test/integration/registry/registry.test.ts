import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { EventConnection, EVENT_STREAM } from '@lms/events';
import { createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import {
  CompleteOperationRequest,
  Consistency,
  CreateOperationRequest,
  CreateTokenRequest,
  EnrolMachineRequest,
  HeartbeatMachineRequest,
  LifecycleState,
  OperationKind,
  OperationState,
  Point,
  SettingValues,
  TokenPurpose,
  type Operation,
} from '@lms/proto';
import { TestRegistry, type RegistryClient } from '../harness/registry.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

let registry: TestRegistry;
let client: RegistryClient;
let csrPem: string;
let names = 0;

beforeAll(async () => {
  registry = await TestRegistry.start();
  client = await registry.client();
  csrPem = await createCertificateRequest(await createPrivateKeyPem());
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
});

async function createToken(uses = 1, expiresInSeconds = 60) {
  return client.createToken(
    CreateTokenRequest.fromPartial({ purpose: TokenPurpose.MACHINE, uses, expiresInSeconds, name: 'test' }),
  );
}

const disk = { diskId: 'serial-1', device: '/dev/sda', sizeBytes: 10n ** 12n };

function enrolment(token: string, name = `machine-${(names += 1)}`): EnrolMachineRequest {
  return { ...EnrolMachineRequest.fromPartial({ token, name, agentVersion: '1' }), csrPem, disks: [disk] };
}

async function enrol() {
  return client.enrolMachine(enrolment((await createToken()).secret));
}

function point(change: Partial<Point>): Point {
  return {
    ...Point.fromPartial({ checkpointId: `c-${change.sequence}`, consistency: Consistency.CRASH }),
    createdAt: '2026-11-23T21:00:00.123456Z',
    disks: [{ ...disk, sha256: '' }],
    ...change,
  };
}

function operation(machineId: string, change: Partial<CreateOperationRequest>): CreateOperationRequest {
  return {
    ...CreateOperationRequest.fromPartial({
      idOrName: machineId,
      kind: OperationKind.CREATE_POINT,
      timeoutSeconds: 60,
    }),
    ...change,
  };
}

async function createOperation(machineId: string, change: Partial<CreateOperationRequest> = {}): Promise<Operation> {
  const created = await client.createOperation(operation(machineId, change));
  if (created.operation === undefined) throw new Error('no operation came back');
  return created.operation;
}

test('of 1,000 redemptions of a one-use token at the same time exactly one wins', async () => {
  const { secret } = await createToken();
  const attempts = Array.from({ length: 1_000 }, () =>
    client.enrolMachine(enrolment(secret), { deadlineMilliseconds: 60_000 }),
  );
  const results = await Promise.allSettled(attempts);
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  const refused = results.filter((result) => result.status === 'rejected');
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('two registries on the same NATS redeem a token exactly as often as it has uses', async () => {
  const second = await createSecondRegistry();
  try {
    const { token, secret } = await createToken(10);
    const attempts = Array.from({ length: 60 }, (_unused, index) =>
      (index % 2 === 0 ? client : second.client).enrolMachine(enrolment(secret), { deadlineMilliseconds: 60_000 }),
    );
    const results = await Promise.allSettled(attempts);
    const won = results.filter((result) => result.status === 'fulfilled');
    const lost = results.filter(
      (result) => result.status === 'rejected' && (result.reason as { code: string }).code === 'UNAUTHENTICATED',
    );
    expect(won).toHaveLength(10);
    expect(lost).toHaveLength(50);
    const { tokens } = await client.listTokens({ purpose: TokenPurpose.MACHINE, pageSize: 1_000, pageToken: '' });
    expect(tokens.find((one) => one.tokenId === token?.tokenId)).toMatchObject({ uses: 10, usesLeft: 0 });
  } finally {
    await second.stop();
  }
});

async function createSecondRegistry(): Promise<{ client: RegistryClient; stop: () => Promise<void> }> {
  const { createRegistryService } = await import('@lms/registry');
  const { createRpcClient } = await import('@lms/rpc');
  const { RegistryService } = await import('@lms/proto');
  const service = createRegistryService({
    listen: '127.0.0.1:0',
    tls: await registry.services.service('registry'),
    events: registry.nats.options,
    caDirectory: registry.caDirectory,
    natsPidFile: null,
  });
  await service.start(new AbortController().signal);
  const tls = await registry.services.service('gateway');
  const second = createRpcClient(RegistryService, { address: service.address, component: 'registry', tls });
  return {
    client: second,
    stop: async () => {
      second.close();
      await service.stop();
    },
  };
}

test('a token that is wrong, used, expired or revoked enrols nobody and says why', async () => {
  const used = await createToken();
  await client.enrolMachine(enrolment(used.secret));
  const revoked = await createToken();
  await client.revokeToken({ tokenId: revoked.token?.tokenId ?? '' });
  const expired = await createToken(1, 1);
  const isOver = (): boolean => Date.now() >= (expired.token?.expiresAt?.getTime() ?? Infinity);
  await until('the token expires', isOver);
  const cases = [
    ['lms_join_wrong', 'not known'],
    [used.secret, 'was used'],
    [revoked.secret, 'revoked'],
    [expired.secret, 'expired'],
  ] as const;
  for (const [secret, why] of cases) {
    const refusal = client.enrolMachine(enrolment(secret));
    await expect(refusal).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      field: 'token',
      message: expect.stringContaining(why),
    });
  }
});

test('a mistake in the request costs the token nothing', async () => {
  const { secret } = await createToken();
  const { name } = await enrol();
  await expect(client.enrolMachine({ ...enrolment(secret), csrPem: 'nothing' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(client.enrolMachine(enrolment(secret, name))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await expect(client.enrolMachine(enrolment(secret))).resolves.toMatchObject({ machineId: expect.any(String) });
});

test('of 20 machines that want the same name at the same time one gets it, and the token keeps the other uses', async () => {
  const { token, secret } = await createToken(20);
  const name = `contended-${(names += 1)}`;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => client.enrolMachine(enrolment(secret, name))),
  );
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ALREADY_EXISTS' });
  }
  const { tokens } = await client.listTokens({ purpose: TokenPurpose.MACHINE, pageSize: 1_000, pageToken: '' });
  expect(tokens.find((one) => one.tokenId === token?.tokenId)?.usesLeft).toBe(19);
});

test('a machine is found by id and by name, and what is not there is NOT_FOUND', async () => {
  const { machineId, name } = await enrol();
  const byId = await client.getMachine({ idOrName: machineId });
  const byName = await client.getMachine({ idOrName: name });
  expect(byId.machine?.machineId).toBe(machineId);
  expect(byName.machine).toMatchObject({ machineId, name, disks: [disk], lifecycleState: LifecycleState.NOT_READY });
  await expect(client.getMachine({ idOrName: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('an agent’s command is handed out until its result comes, and not while the agent is at work on it', async () => {
  const { machineId } = await enrol();
  const waiting = client.watchCommands(
    { machineId, knownOperationIds: [], waitMilliseconds: 20_000 },
    { deadlineMilliseconds: 30_000 },
  );
  const { operationId } = await createOperation(machineId, { kind: OperationKind.RESCAN });
  expect((await waiting).operations.map((one) => one.operationId)).toEqual([operationId]);
  const again = await client.watchCommands({ machineId, knownOperationIds: [], waitMilliseconds: 0 });
  expect(again.operations).toHaveLength(1);
  const known = await client.watchCommands({ machineId, knownOperationIds: [operationId], waitMilliseconds: 50 });
  expect(known.operations).toEqual([]);
  const result = {
    operationId,
    machineIds: [machineId],
    succeeded: true,
    errorCode: '',
    errorMessage: '',
    sequence: 0n,
    verifyReport: undefined,
    sha256: '',
    replicationServer: '',
    checkReportJson: '',
  };
  await expect(client.completeOperation({ ...result, machineIds: ['m-other'] })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
  await client.completeOperation(result);
  const after = await client.watchCommands({ machineId, knownOperationIds: [], waitMilliseconds: 0 });
  expect(after.operations).toEqual([]);
});

test('who waits for a point gets it when the replication server has reported it', async () => {
  const { machineId } = await enrol();
  const { operationId } = await createOperation(machineId);
  const waiting = client.getOperation({ operationId, waitMilliseconds: 30_000 }, { deadlineMilliseconds: 40_000 });
  await client.reportPoints({ machineId, complete: false, points: [point({ sequence: 3n, requestId: operationId })] });
  const { operation: over, point: made } = await waiting;
  expect(over).toMatchObject({ state: OperationState.SUCCEEDED, sequence: 3n });
  expect(made).toMatchObject({ sequence: 3n, createdAt: '2026-11-23T21:00:00.123456Z' });
});

test('the same idempotency key makes one operation, also when both come at once', async () => {
  const { machineId } = await enrol();
  const ids = await Promise.all(
    Array.from({ length: 10 }, async () => (await createOperation(machineId, { idempotencyKey: 'k' })).operationId),
  );
  expect(new Set(ids).size).toBe(1);
});

test('a complete report replaces the list, and the newest point is the machine’s last', async () => {
  const { machineId } = await enrol();
  const sequences = [1n, 2n, 3n, 10n];
  await client.reportPoints({ machineId, complete: true, points: sequences.map((sequence) => point({ sequence })) });
  const page = { idOrName: machineId, pageSize: 3, pageToken: '' };
  const first = await client.listPoints(page);
  expect(first.points.map((one) => one.sequence)).toEqual([1n, 2n, 3n]);
  const second = await client.listPoints({ ...page, pageToken: first.nextPageToken });
  expect(second.points.map((one) => one.sequence)).toEqual([10n]);
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 3n }), point({ sequence: 10n })] });
  const left = await client.listPoints({ ...page, pageToken: '' });
  expect(left.points.map((one) => one.sequence)).toEqual([3n, 10n]);
  const { machine } = await client.getMachine({ idOrName: machineId });
  expect(machine?.lastPoint?.sequence).toBe(10n);
});

test('a verified or exported point keeps the digests that were found, and a deleted one is gone', async () => {
  const { machineId } = await enrol();
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 1n }), point({ sequence: 2n })] });
  const verify = await createOperation(machineId, { kind: OperationKind.VERIFY_POINT, sequence: 1n });
  const tasks = await client.watchTasks({
    machineIds: [machineId],
    replicationServer: '',
    afterRevision: 0n,
    waitMilliseconds: 0,
  });
  expect(tasks.operations.map((one) => one.operationId)).toEqual([verify.operationId]);
  const sha256 = 'ab'.repeat(32);
  const changed = client.watchTasks(
    { machineIds: [machineId], replicationServer: '', afterRevision: tasks.revision, waitMilliseconds: 20_000 },
    { deadlineMilliseconds: 30_000 },
  );
  const result = {
    machineIds: [machineId],
    succeeded: true,
    errorCode: '',
    errorMessage: '',
    sequence: 0n,
    sha256: '',
    replicationServer: '',
    checkReportJson: '',
  };
  await client.completeOperation({
    ...result,
    operationId: verify.operationId,
    verifyReport: {
      blocksChecked: 5n,
      mismatchedBlocks: 0n,
      mismatches: [],
      sha256: [{ diskId: disk.diskId, sha256 }],
    },
  });
  expect((await changed).operations).toEqual([]);
  const listed = await client.listPoints({ idOrName: machineId, pageSize: 10, pageToken: '' });
  expect(listed.points[0]?.disks[0]?.sha256).toBe(sha256);
  const exported = { kind: OperationKind.EXPORT_DISK, sequence: 2n, diskId: disk.diskId };
  const { point: second } = await client.getPoint({ idOrName: machineId, sequence: 2n });
  const checkpointId = second?.checkpointId ?? '';
  await expect(createOperation(machineId, { ...exported, checkpointId: 'another' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  const part = { checkpointId, offsetBytes: disk.sizeBytes, lengthBytes: 1n };
  await expect(createOperation(machineId, { ...exported, ...part })).rejects.toMatchObject({ field: 'offsetBytes' });
  const made = await createOperation(machineId, { ...exported, ...part, lengthBytes: 0n });
  expect(made).toMatchObject({ checkpointId, offsetBytes: disk.sizeBytes });
  await client.completeOperation({ ...result, operationId: made.operationId, verifyReport: undefined, sha256 });
  const known = await client.getPoint({ idOrName: machineId, sequence: 2n });
  expect([known.machineId, known.point?.disks[0]?.sha256]).toEqual([machineId, sha256]);
  await expect(client.getPoint({ idOrName: machineId, sequence: 9n })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(createOperation(machineId, { kind: OperationKind.DELETE_POINT, sequence: 2n })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
  });
  await expect(createOperation(machineId, { kind: OperationKind.DELETE_POINT, sequence: 9n })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  const remove = await createOperation(machineId, { kind: OperationKind.DELETE_POINT, sequence: 1n });
  await client.completeOperation({ ...result, operationId: remove.operationId, verifyReport: undefined });
  const left = await client.listPoints({ idOrName: machineId, pageSize: 10, pageToken: '' });
  expect(left.points.map((one) => one.sequence)).toEqual([2n]);
});

test('an operation that nobody carries out fails some seconds after its deadline and says why', async () => {
  const { machineId } = await enrol();
  const { operationId } = await createOperation(machineId, { timeoutSeconds: 1 });
  const { operation: over } = await client.getOperation(
    { operationId, waitMilliseconds: 30_000 },
    { deadlineMilliseconds: 40_000 },
  );
  expect(over).toMatchObject({ state: OperationState.FAILED, errorCode: 'DEADLINE_EXCEEDED' });
  expect(over?.errorMessage).toMatch('is not connected');
});

test('pause stays and is told to the agent, settings are compared and set', async () => {
  const { machineId, name } = await enrol();
  await client.setMachinePaused({ idOrName: name, paused: true });
  const { machine } = await client.getMachine({ idOrName: machineId });
  expect(machine?.paused).toBe(true);
  await expect(createOperation(machineId)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  if (machine === undefined) throw new Error('no machine');
  const set = SettingValues.fromPartial({ freezing: false });
  const expectedOverridesRevision = machine.overridesRevision;
  const change = { idOrName: machineId, change: { set, unset: [] }, expectedOverridesRevision };
  await client.updateMachineSettings(change);
  await expect(client.updateMachineSettings(change)).rejects.toMatchObject({ code: 'ABORTED' });
});

test('only gateway and manager are told secrets', async () => {
  const other = await registry.client('stats-ingest');
  expect((await other.getTrust({})).accessTokenKey).toHaveLength(0);
  expect((await client.getTrust({})).accessTokenKey).toHaveLength(32);
  await expect(other.issueGatewayCertificate({ csrPem, names: ['localhost'] })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
});

test('facts are told once each, with what changed', async () => {
  const { machineId } = await enrol();
  await client.reportPoints({ machineId, complete: false, points: [point({ sequence: 1n })] });
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 1n })] });
  const connection = await EventConnection.connect(registry.nats.options, 'test', new AbortController().signal);
  try {
    const kinds = await until('both facts are there', async () => {
      const subjects = await readSubjects(connection, machineId);
      return subjects.length >= 2 ? subjects : null;
    });
    expect(kinds).toEqual([`lms.v1.event.machine-enrolled.${machineId}`, `lms.v1.event.point-committed.${machineId}`]);
  } finally {
    await connection.close();
  }
});

async function readSubjects(connection: EventConnection, machineId: string): Promise<string[]> {
  const subjects: string[] = [];
  const messages = await connection.jetstream.consumers.get(EVENT_STREAM.name, {
    filter_subjects: [`lms.v1.event.*.${machineId}`],
  });
  const info = await messages.info();
  if (info.num_pending === 0) return [];
  for await (const message of await messages.fetch({ max_messages: info.num_pending, expires: 5_000 })) {
    subjects.push(message.subject);
  }
  return subjects;
}

test('while NATS is away machines are shown, heartbeats answered, and what must be written says that it cannot be now', async () => {
  const { machineId, name } = await enrol();
  const heartbeat = {
    ...HeartbeatMachineRequest.fromPartial({ machineId, agentVersion: '1', bootId: 'b' }),
    disks: [disk],
  };
  await client.heartbeatMachine(heartbeat);
  await registry.nats.kill();
  try {
    await until('the registry has noticed', () => !registry.service.health().healthy);
    expect((await client.getMachine({ idOrName: name })).machine?.machineId).toBe(machineId);
    expect((await client.heartbeatMachine(heartbeat)).machine?.agentConnected).toBe(true);
    await expect(createOperation(machineId)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(createToken()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  } finally {
    await registry.nats.start();
  }
  await until('the registry is well again', () => registry.service.health().healthy);
  await expect(createOperation(machineId)).resolves.toBeDefined();
});

test('state, CA and operators outlive a restart; after the loss of JetStream machines come back by their heartbeat', async () => {
  const { machineId, name } = await enrol();
  const secretSha256 = 'cd'.repeat(32);
  const { tokenId } = await client.ensureOperatorToken({ secretSha256, name: 'operator' });
  const before = await client.getTrust({});

  await registry.stop();
  await registry.start();
  client = await registry.client();
  expect(await client.getTrust({})).toEqual(before);
  expect((await client.getMachine({ idOrName: name })).machine?.machineId).toBe(machineId);
  expect(await client.ensureOperatorToken({ secretSha256, name: 'operator' })).toEqual({ tokenId });

  await registry.stop();
  await registry.nats.kill();
  await registry.nats.loseData();
  await registry.nats.start();
  await registry.start();
  client = await registry.client();
  expect(await client.getTrust({})).toEqual(before);
  await expect(client.getMachine({ idOrName: machineId })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 4n })] });
  const heartbeat = {
    ...HeartbeatMachineRequest.fromPartial({ machineId, agentVersion: '1', bootId: 'b', name }),
    disks: [disk],
  };
  const { machine } = await client.heartbeatMachine(heartbeat);
  expect(machine).toMatchObject({
    machineId,
    name,
    agentConnected: true,
    lifecycleState: LifecycleState.READY_FOR_TEST,
  });
  expect(machine?.lastPoint?.sequence).toBe(4n);
});

test('a check of a replication server reaches that server alone, and its report is kept', async () => {
  const { secret } = await client.createToken(
    CreateTokenRequest.fromPartial({ purpose: TokenPurpose.REPLICATION_SERVER, uses: 1, expiresInSeconds: 60 }),
  );
  await client.enrolReplicationServer({ token: secret, csrPem, name: 'checked', version: '1' });
  const ask = (replicationServer: string) =>
    client.createOperation(
      CreateOperationRequest.fromPartial({
        kind: OperationKind.CHECK_FROM_REPLICATION_SERVER,
        replicationServer,
        check: { target: '443' },
      }),
    );
  await expect(ask('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { operation: asked } = await ask('checked');
  const operationId = asked?.operationId ?? '';
  const tasksOf = async (replicationServer: string) => {
    const question = { machineIds: [], replicationServer, afterRevision: 0n, waitMilliseconds: 0 };
    return (await client.watchTasks(question)).operations.map((one) => one.operationId);
  };
  expect([await tasksOf('checked'), await tasksOf('other'), await tasksOf('')]).toEqual([[operationId], [], []]);
  const result = CompleteOperationRequest.fromPartial({ operationId, succeeded: true, checkReportJson: '{"a":1}' });
  await expect(client.completeOperation({ ...result, replicationServer: 'other' })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
  await client.completeOperation({ ...result, replicationServer: 'checked' });
  const { operation: over } = await client.getOperation({ operationId, waitMilliseconds: 0 });
  expect(over).toMatchObject({ state: OperationState.SUCCEEDED, machineId: '', checkReportJson: '{"a":1}' });
  expect(await tasksOf('checked')).toEqual([]);
});
