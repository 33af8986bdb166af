// A machine that an operator has removed: it is gone at once, it stays gone whatever its agent says or a kill leaves, and
// its name is free.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { EventConnection, EVENT_STREAM, jsonState, messageState, StateBucket } from '@lms/events';
import { createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import {
  Consistency,
  CreateOperationRequest,
  CreateTokenRequest,
  EnrolMachineRequest,
  HeartbeatMachineRequest,
  Machine,
  Operation,
  OperationKind,
  OperationState,
  Point,
  TokenPurpose,
} from '@lms/proto';
import { z } from 'zod';
import { TestRegistry, type RegistryClient } from '../harness/registry.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

const never = new AbortController().signal;
const REMOVED = { code: 'REMOVED' };
const disk = { diskId: 'serial-1', device: '/dev/sda', sizeBytes: 10n ** 12n };
const page = { pageSize: 1_000, pageToken: '' };
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

async function enrol(name = `goes-${(names += 1)}`) {
  const { secret } = await client.createToken(
    CreateTokenRequest.fromPartial({ purpose: TokenPurpose.MACHINE, uses: 1, expiresInSeconds: 60, name: '' }),
  );
  const request = { ...EnrolMachineRequest.fromPartial({ token: secret, name, agentVersion: '1' }), csrPem };
  return client.enrolMachine({ ...request, disks: [disk] });
}

function heartbeat(machineId: string, name: string) {
  return client.heartbeatMachine({
    ...HeartbeatMachineRequest.fromPartial({ machineId, agentVersion: '1', bootId: 'boot', name }),
    disks: [disk],
  });
}

function point(change: Partial<Point>): Point {
  return {
    ...Point.fromPartial({ checkpointId: `c-${change.sequence}`, consistency: Consistency.CRASH }),
    createdAt: '2026-11-23T21:00:00.123456Z',
    disks: [{ ...disk, sha256: '' }],
    ...change,
  };
}

function ask(idOrName: string, kind: OperationKind, sequence = 0n) {
  const request = CreateOperationRequest.fromPartial({ idOrName, kind, timeoutSeconds: 60, diskId: disk.diskId });
  return client.createOperation({ ...request, sequence });
}

function remove(idOrName: string, change: { readonly expectedRevision?: bigint; readonly orphan?: boolean } = {}) {
  return client.removeMachine({ idOrName, expectedRevision: 0n, orphan: false, ...change });
}

function renew(kind: string, id: string, dnsNames: string[] = []) {
  return client
    .getTrust({})
    .then(({ trustDomain }) =>
      client.renewCertificate({ spiffeId: `spiffe://${trustDomain}/${kind}/${id}`, csrPem, dnsNames }),
    );
}

test('it is in no list, its agent and its replication server are refused for good, and nobody waits for what it was asked', async () => {
  const { machineId, name } = await enrol();
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 1n }), point({ sequence: 2n })] });
  const { operation } = await ask(name, OperationKind.CREATE_POINT);
  const waiting = client.getOperation(
    { operationId: operation?.operationId ?? '', waitMilliseconds: 30_000 },
    { deadlineMilliseconds: 60_000 },
  );
  const { machine, repeated } = await remove(name);
  expect([machine?.machineId, machine?.name, repeated]).toEqual([machineId, name, false]);

  const ended = await waiting.catch((thrown: unknown) => thrown);
  // Told that it failed, or, having asked a moment later, that there is no such operation: waiting is over either way.
  expect(ended).toMatchObject(
    ended instanceof Error
      ? { code: 'NOT_FOUND' }
      : { operation: { state: OperationState.FAILED, errorCode: 'REMOVED' } },
  );
  const { machines } = await client.listMachines(page);
  expect(machines.map((one) => one.machineId)).not.toContain(machineId);
  await expect(client.getMachine({ idOrName: name })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const server = `${machineId}.block-stream.lms.internal`;
  for (const refused of [
    client.getMachine({ idOrName: machineId }),
    heartbeat(machineId, name),
    client.watchCommands({ machineId, knownOperationIds: [], waitMilliseconds: 0 }),
    client.reportPoints({ machineId, complete: true, points: [point({ sequence: 3n })] }),
    client.listPoints({ idOrName: machineId, ...page }),
    ask(machineId, OperationKind.PAUSE),
    renew('machine', machineId),
    renew('replication-server', `rs-${machineId}`, [server]),
  ]) {
    await expect(refused).rejects.toMatchObject(REMOVED);
  }
  await expect(heartbeat(machineId, name)).rejects.toThrow(`machine ${name} (${machineId}) was removed`);
  // A server of other machines too goes on.
  await expect(renew('replication-server', 'host', ['*.block-stream.lms.internal'])).resolves.toBeDefined();
});

test('its name is free at once, for another machine; and a repetition says that it is the same removal', async () => {
  const { machineId, name } = await enrol();
  const first = await remove(machineId);
  for (const again of [machineId, name]) {
    expect(await remove(again)).toEqual({ machine: first.machine, repeated: true });
  }
  const next = await enrol(name);
  expect(next.machineId).not.toBe(machineId);
  expect((await client.getMachine({ idOrName: name })).machine?.machineId).toBe(next.machineId);
  expect((await remove(machineId)).repeated).toBe(true);
  expect((await remove(name)).machine?.machineId).toBe(next.machineId);
});

test('a point that is pinned, or being read, keeps it: refused, saying what is possible', async () => {
  const { machineId, name } = await enrol();
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 4n, pinned: true })] });
  await expect(remove(name)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', message: /point 4 .* pinned/ });
  const other = await enrol();
  await client.reportPoints({ machineId: other.machineId, complete: true, points: [point({ sequence: 5n })] });
  for (const kind of [OperationKind.EXPORT_DISK, OperationKind.VERIFY_POINT]) {
    const { operation } = await ask(other.name, kind, 5n);
    await expect(remove(other.name)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: new RegExp(`point 5 of ${other.name} is being (exported|verified)`),
      action: expect.stringContaining('Wait'),
    });
    await client.completeOperation({
      operationId: operation?.operationId ?? '',
      machineIds: [other.machineId],
      succeeded: false,
      errorCode: 'CANCELLED',
      errorMessage: 'the operator went away',
      sequence: 0n,
      verifyReport: undefined,
      sha256: '',
      replicationServer: '',
      checkReportJson: '',
    });
  }
  expect((await remove(other.name)).repeated).toBe(false);
});

test('nobody is NOT_FOUND, unless the staging area has it; an old revision is ABORTED', async () => {
  const orphan = 'm-00000000000000000001';
  for (const nobody of ['nobody', orphan]) await expect(remove(nobody)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(remove('nobody', { orphan: true })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect((await remove(orphan, { orphan: true })).machine).toMatchObject({ machineId: orphan, name: '' });
  await expect(heartbeat(orphan, 'comes-back')).rejects.toMatchObject(REMOVED);
  const { machineId } = await enrol();
  const revision = (await client.getMachine({ idOrName: machineId })).machine?.revision ?? 0n;
  await expect(remove(machineId, { expectedRevision: revision + 1n })).rejects.toMatchObject({ code: 'ABORTED' });
  expect((await remove(machineId, { expectedRevision: revision })).repeated).toBe(false);
});

test('killed after its first step, a removal is finished by the next sweep; what another registry wrote meanwhile goes too', async () => {
  const { machineId, name } = await enrol();
  await client.reportPoints({ machineId, complete: true, points: [point({ sequence: 1n })] });
  await ask(name, OperationKind.CREATE_POINT);
  const connection = await EventConnection.connect(registry.nats.options, 'test', never);
  const removed = z.object({ name: z.string(), removedAt: z.string() });
  const open = <Value>(bucket: string, codec: Parameters<typeof StateBucket.open<Value>>[1]['codec']) =>
    StateBucket.open(connection, { name: bucket, codec }, never);
  const buckets = {
    removed: await open('LMS_REMOVED_MACHINES', jsonState(removed, 1)),
    machines: await open('LMS_MACHINES', messageState(Machine, 1)),
    points: await open('LMS_POINTS', messageState(Point, 1)),
    operations: await open('LMS_OPERATIONS', messageState(Operation, 1)),
  };
  try {
    const { points, machines, operations } = buckets;
    const pointKey = points.entries().find(({ key }) => key.startsWith(machineId))?.key ?? '';
    const before = { machine: machines.get(machineId), point: points.get(pointKey) };
    if (before.machine === null || before.point === null) throw new Error('nothing to be removed');
    const isCleared = (): boolean =>
      machines.get(machineId) === null &&
      points.get(pointKey) === null &&
      !operations.entries().some(({ value }) => value.machineId === machineId);
    await buckets.removed.create(machineId, { name, removedAt: new Date().toISOString() });
    await until('the sweep to have cleared up', isCleared);
    await machines.create(machineId, before.machine.value);
    await points.create(pointKey, before.point.value);
    await until('the sweep to have cleared up again', isCleared);
  } finally {
    for (const bucket of Object.values(buckets)) await bucket.close();
    await connection.close();
  }
  expect((await enrol(name)).name).toBe(name);
});

test('a registry that starts anew, and another one beside it, know it; and the fact is told', async () => {
  const { machineId, name } = await enrol();
  const connection = await EventConnection.connect(registry.nats.options, 'test', never);
  try {
    await remove(name);
    const subject = `lms.v1.event.machine-removed.${machineId}`;
    await until('the fact to be stored', () =>
      connection.manager.streams.getMessage(EVENT_STREAM.name, { last_by_subj: subject }).catch(() => null),
    );
  } finally {
    await connection.close();
  }
  await registry.stop();
  await registry.start();
  client = await registry.client();
  await expect(heartbeat(machineId, name)).rejects.toMatchObject(REMOVED);
});

test('when all state is lost the removal is forgotten with it: an agent that was never told comes back as it is known', async () => {
  const { machineId, name } = await enrol();
  await remove(name);
  await registry.stop();
  await registry.nats.kill();
  await registry.nats.loseData();
  await registry.nats.start();
  await registry.start();
  client = await registry.client();
  expect((await heartbeat(machineId, name)).machine).toMatchObject({ machineId, name });
});
