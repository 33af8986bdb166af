import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { MachineRemoval, StagingObjectPage } from '@lms/api';
import { Consistency, OperationKind } from '@lms/proto';
import { TestGateway, never } from '../harness/gateway.ts';

jest.setTimeout(120_000);

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

function remove(idOrName: string, headers: Readonly<Record<string, string>> = {}) {
  return gateway.send('DELETE', `/v1/machines/${idOrName}`, { token: gateway.apiToken, headers });
}

function list(query = '') {
  return gateway.send('GET', `/v1/staging-objects${query}`, { token: gateway.apiToken });
}

test('a removal is taken, says what there is, and is the same removal when it is repeated', async () => {
  const { answer } = await gateway.enrolAgent();
  const { machineId, name } = answer;
  gateway.staging.objects = [{ machineId, kind: 'StatefulSet', name: 'x', removing: true }];
  const first = await remove(name);
  expect(first.status).toBe(202);
  const removal = MachineRemoval.parse(first.body);
  expect(removal).toMatchObject({ machineId, name, repeated: false, objects: gateway.staging.objects });
  expect(gateway.staging.removed).toContain(machineId);
  expect(MachineRemoval.parse((await remove(machineId)).body)).toEqual({ ...removal, repeated: true });
  expect((await remove(name)).body).toMatchObject({ machineId, repeated: true });
});

test('its agent gets the final answer from every route, and no new access token', async () => {
  const { answer, api, assertion } = await gateway.enrolAgent();
  const disks = [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576 }];
  const beat = () => api.heartbeat({ version: '1.0.0', bootId: 'boot', disks }, never);
  await beat();
  await gateway.operator.removeMachine(answer.machineId, never);
  await expect(beat()).rejects.toMatchObject({ code: 'REMOVED', action: expect.stringContaining('uninstall') });
  await expect(api.commands(0, [], never)).rejects.toMatchObject({ code: 'REMOVED' });
  await expect(api.renewCertificate('x', never)).rejects.toMatchObject({ code: 'REMOVED' });
  const refused = await gateway.send('POST', '/v1/agent/token', { body: { assertion: await assertion() } });
  expect([refused.status, refused.body['code']]).toEqual([410, 'REMOVED']);
  const shown = await gateway.send('GET', `/v1/machines/${answer.machineId}`, { token: gateway.apiToken });
  expect([shown.status, shown.body['code']]).toEqual([410, 'REMOVED']);
  expect(shown.headers['content-type']).toContain('application/problem+json');
});

test('nobody is 404; an old ETag is 412 and the present one is taken; a point that is read is 409', async () => {
  gateway.staging.objects = [];
  for (const nobody of ['nobody', 'm-00000000000000000009']) expect((await remove(nobody)).status).toBe(404);
  const { answer } = await gateway.enrolAgent();
  const path = `/v1/machines/${answer.name}`;
  const etag = String((await gateway.send('GET', path, { token: gateway.apiToken })).headers.etag);
  const old = await remove(answer.name, { 'if-match': '"1"' });
  expect([old.status, old.body['field']]).toEqual([412, 'If-Match']);
  expect((await remove(answer.name, { 'if-match': 'nonsense' })).status).toBe(400);
  const { machineId } = answer;
  const point = {
    sequence: 3n,
    checkpointId: 'c',
    requestId: '',
    consistency: Consistency.CRASH,
    createdAt: new Date().toISOString(),
  };
  const disk = { diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576n, sha256: '' };
  const points = [{ ...point, pauseMicroseconds: 0n, pinned: false, disks: [disk] }];
  await gateway.manager.reportPoints({ machineId, complete: true, points });
  const { operation } = await gateway.manager.createOperation({
    ...{ idOrName: machineId, kind: OperationKind.EXPORT_DISK, sequence: 3n, diskId: 'serial-1' },
    ...{ consistency: 0, timeoutSeconds: 60, traceparent: '', idempotencyKey: '' },
    ...{ checkpointId: '', offsetBytes: 0n, lengthBytes: 0n, replicationServer: '', check: undefined },
  });
  const used = await remove(answer.name);
  expect([used.status, used.body['code']]).toEqual([409, 'FAILED_PRECONDITION']);
  expect(used.body['detail']).toContain('point 3');
  await gateway.manager.completeOperation({
    ...{ operationId: operation?.operationId ?? '', machineIds: [machineId], succeeded: true },
    ...{ errorCode: '', errorMessage: '', sequence: 0n, verifyReport: undefined, sha256: '' },
    ...{ replicationServer: '', checkReportJson: '' },
  });
  expect((await remove(answer.name, { 'if-match': etag })).status).toBe(202);
});

test('a machine that only the staging area knows is removed by its id, and denied from then on', async () => {
  const machineId = 'm-0000000000000000000a';
  gateway.staging.objects = [{ machineId, kind: 'PersistentVolumeClaim', name: 'x', removing: false }];
  expect((await remove(machineId)).body).toMatchObject({ machineId, name: null, repeated: false });
  expect(gateway.staging.removed).toContain(machineId);
  await expect(gateway.operator.machine(machineId, never)).rejects.toMatchObject({ code: 'REMOVED' });
});

test('what there is comes in pages, of one machine or of all; what names no machine has null', async () => {
  const ids = ['m-0000000000000000000b', 'm-0000000000000000000c'];
  const object = (machineId: string, name: string) => ({ machineId, kind: 'Secret', name, removing: false });
  gateway.staging.objects = [object('', 'stranger'), ...ids.flatMap((id) => [object(id, 'x'), object(id, 'y')])];
  const seen: unknown[] = [];
  let token: string | null = '';
  while (token !== null) {
    const query: string = token === '' ? '' : `&pageToken=${token}`;
    const page = StagingObjectPage.parse((await list(`?pageSize=2${query}`)).body);
    seen.push(...page.objects);
    token = page.nextPageToken;
  }
  expect(seen).toEqual(
    gateway.staging.objects.map(({ machineId, ...rest }) => ({ machineId: machineId || null, ...rest })),
  );
  const { objects } = StagingObjectPage.parse((await list(`?machineId=${ids[1]}`)).body);
  expect(objects.map(({ machineId }) => machineId)).toEqual([ids[1], ids[1]]);
  expect((await list('?machineId=nonsense')).status).toBe(400);
});

test('both are for operators only, and described', async () => {
  const { answer } = await gateway.enrolAgent();
  expect((await gateway.send('DELETE', `/v1/machines/${answer.name}`)).status).toBe(401);
  expect((await gateway.send('GET', '/v1/staging-objects')).status).toBe(401);
  const { body } = await gateway.send('GET', '/v1/openapi.json');
  const paths = body['paths'] as Record<string, Record<string, { tags: string[] }>>;
  expect(paths['/v1/machines/{idOrName}']?.['delete']?.tags).toEqual(['operator']);
  expect(paths['/v1/staging-objects']?.['get']?.tags).toEqual(['operator']);
});
