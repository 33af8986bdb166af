/** Two gateways of one manager: whatever reaches one of them works, also when its other half reaches the other. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import {
  createDispatcher,
  OperatorApi,
  type DiskImage,
  type ReplicationServerApi,
  type ReplicationTask,
} from '@lms/api';
import { createGatewayService, type GatewayServiceModule } from '@lms/gateway';
import { GatewayService } from '@lms/proto';
import { createRpcClient } from '@lms/rpc';
import { request } from 'undici';
import { findFreePort } from '../../harness/free-port.ts';
import { TestGateway, never } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

const SERVER = 'rs-one';
const CHUNK_BYTES = 1024 * 1024;
const cleanUp: (() => Promise<void>)[] = [];

/** Where operators go. */
let first: TestGateway;
/** Where the replication server goes. */
let second: GatewayServiceModule;
let server: ReplicationServerApi;
let machineId: string;
let peerNames: readonly string[];

beforeAll(async () => {
  peerNames = [`127.0.0.1:${await findFreePort()}`, `localhost:${await findFreePort()}`];
  first = await TestGateway.start({ peers: peersOf(0) });
  second = await startSecond();
  server = await first.enrolReplicationServer(SERVER, `https://127.0.0.1:${second.port}`);
});
afterAll(async () => {
  await second.stop();
  await first[Symbol.asyncDispose]();
});
beforeEach(async () => {
  machineId = (await first.enrolAgent()).answer.machineId;
  first.staging.assign(SERVER, [machineId]);
});

/** Makes the machine have a point with a disk of this size. */
async function reportPoint(sizeBytes: number): Promise<void> {
  const point = {
    sequence: 1,
    checkpointId: 'c',
    requestId: '',
    consistency: 'crash' as const,
    createdAt: new Date().toISOString(),
    pauseMicroseconds: 0,
    disks: [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes, sha256: null }],
  };
  await server.reportPoints(machineId, { complete: true, points: [point] }, never);
}
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

function peersOf(index: number) {
  const listen = (peerNames[index] ?? '').replace('localhost', '127.0.0.1');
  return { listen, names: peerNames };
}

async function startSecond(port = 0): Promise<GatewayServiceModule> {
  const listen = `127.0.0.1:${port}`;
  const service = createGatewayService({ ...first.configuration, listen, peers: peersOf(1) });
  await service.start(never);
  return service;
}

const place = () => ({ idOrName: machineId, sequence: 1, diskId: 'serial-1' });

function startExport(signal: AbortSignal = never): Promise<DiskImage> {
  const image = first.operator.diskImage(place(), { offsetBytes: 0, etag: null }, signal);
  // The test looks at it later than it may fail.
  image.catch(() => undefined);
  return image;
}

function exportTask(): Promise<ReplicationTask> {
  return until('the export is asked for', async () => {
    const { tasks } = await server.assignments(null, 0, never);
    return tasks.find((task) => task.kind === 'export' && task.machineId === machineId);
  });
}

async function* parts(content: Buffer): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < content.length; offset += 100_003) yield content.subarray(offset, offset + 100_003);
}

async function collect(image: DiskImage, received: Uint8Array[]): Promise<void> {
  for await (const part of image.body) received.push(part);
}

async function read(image: DiskImage): Promise<Buffer> {
  const received: Uint8Array[] = [];
  await collect(image, received);
  return Buffer.concat(received);
}

test('an upload that comes to the other gateway arrives, as it was, at the operator; both ends learn its digest', async () => {
  const content = randomBytes(20 * CHUNK_BYTES + 17);
  const sha256 = createHash('sha256').update(content).digest('hex');
  await reportPoint(content.length);
  const waiting = startExport();
  const { id } = await exportTask();
  const upload = server.uploadExport(id, content.length, parts(content), never);
  const image = await waiting;
  expect((await read(image)).equals(content)).toBe(true);
  expect(await upload).toEqual({ sizeBytes: content.length, sha256 });
  await server.taskResult(id, { state: 'succeeded' }, never);
});

test('an operator that does not read holds the replication server back, over both gateways', async () => {
  const count = 200;
  await reportPoint(count * CHUNK_BYTES);
  const waiting = startExport();
  const { id } = await exportTask();
  let sent = 0;
  const endless = async function* (): AsyncGenerator<Buffer> {
    for (; sent < count; sent += 1) yield Buffer.alloc(CHUNK_BYTES);
  };
  const upload = server.uploadExport(id, count * CHUNK_BYTES, endless(), never);
  const image = await waiting;
  let before = -1;
  let still = 0;
  await until('the sender stands still', () => {
    still = sent === before ? still + 1 : 0;
    before = sent;
    return still >= 25;
  });
  expect(sent).toBeLessThan(150);
  expect((await read(image)).length).toBe(count * CHUNK_BYTES);
  await upload;
  await server.taskResult(id, { state: 'succeeded' }, never);
});

test('an operator that goes ends the upload at the other gateway', async () => {
  await reportPoint(1_000_000 * CHUNK_BYTES);
  const late = new AbortController();
  const begun = startExport(late.signal);
  const { id } = await exportTask();
  const endless = async function* (): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(CHUNK_BYTES);
  };
  const upload = server.uploadExport(id, 1_000_000 * CHUNK_BYTES, endless(), never);
  upload.catch(() => undefined);
  await begun;
  late.abort();
  await expect(upload).rejects.toThrow();
  await tasksAreGone();
});

test('a replication server that breaks off breaks the download off, and one that sends too little is told', async () => {
  await reportPoint(10 * CHUNK_BYTES);
  for (const complete of [false, true]) {
    const waiting = startExport();
    const { id } = await exportTask();
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(CHUNK_BYTES);
      if (!complete) throw new Error('the disk went away');
    };
    const upload = server.uploadExport(id, 10 * CHUNK_BYTES, broken(), never);
    await expect(upload).rejects.toThrow();
    const image = await waiting;
    await expect(read(image)).rejects.toThrow();
    await tasksAreGone();
  }
});

test('an export that one gateway began goes on at the other, with the same name for the same bytes', async () => {
  const content = randomBytes(3 * CHUNK_BYTES);
  await reportPoint(content.length);
  const elsewhere = `https://127.0.0.1:${second.port}`;
  const { caPem, apiToken } = first;
  const operator = new OperatorApi({ managerUrl: elsewhere, caPem, apiToken, retries: 0 });
  cleanUp.push(() => operator.close());
  const { etag } = await first.operator.diskImageIdentity(place(), never);
  const begun = startExport();
  const broken = async function* (): AsyncGenerator<Buffer> {
    for (let offset = 0; offset < 2 * CHUNK_BYTES; offset += 65_536) yield content.subarray(offset, offset + 65_536);
    throw new Error('the gateway went away');
  };
  await expect(server.uploadExport((await exportTask()).id, content.length, broken(), never)).rejects.toThrow();
  const received: Uint8Array[] = [];
  await expect(collect(await begun, received)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const offsetBytes = Buffer.concat(received).length;
  expect(offsetBytes).toBeGreaterThan(0);
  await tasksAreGone();

  const rest = operator.diskImage(place(), { offsetBytes, etag }, never);
  const task = await exportTask();
  expect(task.offsetBytes).toBe(offsetBytes);
  const upload = server.uploadExport(
    task.id,
    content.length - offsetBytes,
    parts(content.subarray(offsetBytes)),
    never,
  );
  const image = await rest;
  expect(image).toMatchObject({ etag, offsetBytes, sizeBytes: content.length });
  await collect(image, received);
  expect(Buffer.concat(received).equals(content)).toBe(true);
  await upload;
  await server.taskResult(task.id, { state: 'succeeded' }, never);
});

async function tasksAreGone(): Promise<void> {
  await until('the task is gone', async () => (await server.assignments(null, 0, never)).tasks.length === 0);
}

test('a gateway that starts while the operator waits is asked too', async () => {
  const { port } = second;
  await reportPoint(CHUNK_BYTES);
  await second.stop();
  const waiting = startExport();
  await until('the operation is there', async () => {
    const question = { machineIds: [machineId], replicationServer: '', afterRevision: 0n, waitMilliseconds: 0 };
    return (await first.manager.watchTasks(question)).operations.length > 0;
  });
  second = await startSecond(port);
  const { id } = await exportTask();
  const content = randomBytes(CHUNK_BYTES);
  const upload = server.uploadExport(id, content.length, parts(content), never);
  expect((await read(await waiting)).equals(content)).toBe(true);
  await upload;
  await server.taskResult(id, { state: 'succeeded' }, never);
});

async function accessTokenOfAgent(): Promise<{ accessToken: string }> {
  const { assertion } = await first.enrolAgent();
  const { body } = await first.send('POST', '/v1/agent/token', { body: { assertion: await assertion() } });
  return body as { accessToken: string };
}

test('tokens of one gateway are good at the other', async () => {
  const elsewhere = `https://127.0.0.1:${second.port}`;
  const operator = new OperatorApi({ managerUrl: elsewhere, caPem: first.caPem, apiToken: first.apiToken, retries: 0 });
  const dispatcher = createDispatcher(first.caPem);
  cleanUp.push(
    () => operator.close(),
    () => dispatcher.destroy(),
  );
  const { id } = await operator.createToken({ name: 'by the other' }, never);
  expect((await first.operator.listTokens({}, never)).tokens.map((token) => token.id)).toContain(id);
  const { accessToken } = await accessTokenOfAgent();
  const heartbeat = { headers: { authorization: `Bearer ${accessToken}` }, method: 'GET' as const };
  const answer = await request(`${elsewhere}/v1/agent/commands?wait=0`, { ...heartbeat, dispatcher });
  await answer.body.dump();
  expect(answer.statusCode).toBe(200);
});

test('no other service may ask for uploads', async () => {
  const client = createRpcClient(GatewayService, {
    address: second.peerAddress ?? '',
    component: 'gateway',
    tls: await first.registry.services.service('registry'),
  });
  const asking = async (): Promise<void> => {
    for await (const answer of client.awaitUpload({ operationId: 'x', gatewayId: 'y' })) expect(answer).toBeNull();
  };
  await expect(asking()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  client.close();
});
