import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { DiskImage, ReplicationServerApi, ReplicationTask } from '@lms/api';
import { TestGateway, never } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

const SERVER = 'staging-host';
const CHUNK_BYTES = 1024 * 1024;
/** So often in a row nothing was sent: half a second, in which hundreds of chunks could go. */
const POLLS_OF_STANDSTILL = 25;
let gateway: TestGateway;
let server: ReplicationServerApi;
let machineId: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  server = await gateway.enrolReplicationServer(SERVER);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const { answer } = await gateway.enrolAgent();
  machineId = answer.machineId;
  gateway.staging.assign(SERVER, [machineId]);
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

function startExport(sizeBytes: number, signal: AbortSignal = never): Promise<DiskImage> {
  const place = { idOrName: machineId, sequence: 1, diskId: 'serial-1' };
  const begin = { offsetBytes: 0, etag: null };
  const image = reportPoint(sizeBytes).then(() => gateway.operator.diskImage(place, begin, signal));
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

async function tasksAreGone(): Promise<void> {
  await until('the task is gone', async () => (await server.assignments(null, 0, never)).tasks.length === 0);
}

async function* chunks(count: number, seen: { sent: number }): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index += 1) {
    seen.sent += 1;
    yield Buffer.alloc(CHUNK_BYTES, index);
  }
}

test("a disk arrives whole, byte for byte, with its size ahead; its SHA-256 is the operation's, and then the point's", async () => {
  const content = randomBytes(5 * CHUNK_BYTES + 17);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const waiting = startExport(content.length);
  const task = await exportTask();
  expect(task).toMatchObject({ sequence: 1, diskId: 'serial-1', checkpointId: 'c', offsetBytes: 0 });
  const upload = server.uploadExport(task.id, content.length, parts(content), never);
  const image = await waiting;
  expect(image.sizeBytes).toBe(content.length);
  const received: Uint8Array[] = [];
  for await (const part of image.body) received.push(part);
  expect(Buffer.concat(received).equals(content)).toBe(true);
  expect(await upload).toEqual({ sizeBytes: content.length, sha256 });
  await server.taskResult(task.id, { state: 'succeeded', sha256 }, never);
  await tasksAreGone();
  expect(await gateway.operator.operation(image.operationId ?? '', 20, never)).toMatchObject({ sha256 });
  const { points } = await gateway.operator.listPoints(machineId, {}, never);
  expect(points[0]?.disks[0]?.sha256).toBe(sha256);
});

async function* parts(content: Buffer): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < content.length; offset += 100_003) yield content.subarray(offset, offset + 100_003);
}

test('an empty disk is an image too', async () => {
  const waiting = startExport(0);
  const { id } = await exportTask();
  const upload = server.uploadExport(id, 0, parts(Buffer.alloc(0)), never);
  const image = await waiting;
  for await (const part of image.body) expect(part.length).toBe(0);
  expect((await upload).sha256).toBe(createHash('sha256').digest('hex'));
  await server.taskResult(id, { state: 'succeeded' }, never);
});

test('an operator that does not read holds the replication server back', async () => {
  const count = 200;
  const waiting = startExport(count * CHUNK_BYTES);
  const { id } = await exportTask();
  const seen = { sent: 0 };
  const upload = server.uploadExport(id, count * CHUNK_BYTES, chunks(count, seen), never);
  const image = await waiting;
  // Buffers of sockets and streams fill up, then nothing moves any more.
  let before = -1;
  let still = 0;
  await until('the sender stands still', () => {
    still = seen.sent === before ? still + 1 : 0;
    before = seen.sent;
    return still >= POLLS_OF_STANDSTILL;
  });
  expect(seen.sent).toBeLessThan(100);
  let received = 0;
  for await (const part of image.body) received += part.length;
  expect(received).toBe(count * CHUNK_BYTES);
  await upload;
  await server.taskResult(id, { state: 'succeeded' }, never);
});

test('a replication server that breaks off breaks the download off, which can never pass for a whole one', async () => {
  const waiting = startExport(10 * CHUNK_BYTES);
  const { id } = await exportTask();
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(CHUNK_BYTES);
    throw new Error('the disk went away');
  };
  const upload = server.uploadExport(id, 10 * CHUNK_BYTES, broken(), never);
  await expect(upload).rejects.toThrow();
  const image = await waiting;
  await expect(consume(image)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await tasksAreGone();
});

test('fewer or more bytes than were announced fail at both ends', async () => {
  for (const announced of [3 * CHUNK_BYTES, CHUNK_BYTES]) {
    const waiting = startExport(announced);
    const { id } = await exportTask();
    const upload = server.uploadExport(id, announced, chunks(2, { sent: 0 }), never);
    await expect(upload).rejects.toThrow();
    const image = await waiting;
    await expect(consume(image)).rejects.toThrow();
    await tasksAreGone();
  }
  const waiting = startExport(CHUNK_BYTES);
  const { id } = await exportTask();
  // Neither the disk nor what was asked for.
  await expect(server.uploadExport(id, 2 * CHUNK_BYTES, chunks(2, { sent: 0 }), never)).rejects.toThrow();
  await expect(waiting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await tasksAreGone();
});

async function consume(image: DiskImage): Promise<number> {
  let received = 0;
  for await (const part of image.body) received += part.length;
  return received;
}

test('an operator that goes ends the upload and the task, before and during the transfer', async () => {
  const early = new AbortController();
  const waiting = startExport(1, early.signal);
  await exportTask();
  early.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  await tasksAreGone();

  const late = new AbortController();
  const begun = startExport(1_000 * CHUNK_BYTES, late.signal);
  const { id } = await exportTask();
  const upload = server.uploadExport(id, 1_000 * CHUNK_BYTES, chunks(1_000, { sent: 0 }), never);
  upload.catch(() => undefined);
  const image = await begun;
  for await (const part of image.body) {
    expect(part.length).toBeGreaterThan(0);
    late.abort();
    break;
  }
  await expect(upload).rejects.toThrow();
  await tasksAreGone();
});

test('the reason why a replication server cannot export is told to the operator', async () => {
  const waiting = startExport(1);
  const { id } = await exportTask();
  await server.taskResult(id, { state: 'failed', code: 'DATA_LOSS', message: 'block 7 of sda is rotten' }, never);
  await expect(waiting).rejects.toMatchObject({ code: 'DATA_LOSS', message: 'block 7 of sda is rotten' });
});

test('an upload that nobody waits for is refused, and so is one of a machine that it does not serve', async () => {
  await reportPoint(CHUNK_BYTES);
  const { operationId } = await gateway.operator.verifyPoint(machineId, 1, never);
  const nobody = server.uploadExport(operationId, CHUNK_BYTES, chunks(1, { sent: 0 }), never);
  await expect(nobody).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  gateway.staging.assign(SERVER, []);
  const foreign = server.uploadExport(operationId, CHUNK_BYTES, chunks(1, { sent: 0 }), never);
  await expect(foreign).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});

test('what is not there is refused before anything begins', async () => {
  await reportPoint(1);
  const ask = (change: object) => {
    const place = { idOrName: machineId, sequence: 1, diskId: 'serial-1', ...change };
    return gateway.operator.diskImage(place, { offsetBytes: 0, etag: null }, never);
  };
  await expect(ask({ idOrName: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(ask({ sequence: 9 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(ask({ diskId: 'serial-2' })).rejects.toMatchObject({ code: 'NOT_FOUND', field: 'diskId' });
});
