/** A disk image as any HTTP client may ask for it: ranges, conditions, and what names the bytes. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { createDispatcher, type ReplicationServerApi } from '@lms/api';
import fc from 'fast-check';
import { request, type Agent } from 'undici';
import { TestGateway, never } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

const SERVER = 'staging-host';
const SIZE = 300_007;
const content = randomBytes(SIZE);
const sha256 = createHash('sha256').update(content).digest('hex');
let gateway: TestGateway;
let server: ReplicationServerApi;
let dispatcher: Agent;
let machineId: string;
let asked: number;
let ending: AbortController;
let serving: Promise<void>;

beforeAll(async () => {
  gateway = await TestGateway.start();
  server = await gateway.enrolReplicationServer(SERVER);
  dispatcher = createDispatcher(gateway.caPem);
  machineId = (await gateway.enrolAgent()).answer.machineId;
  gateway.staging.assign(SERVER, [machineId]);
  ending = new AbortController();
  serving = serveExports(ending.signal);
});
afterAll(async () => {
  ending.abort();
  await serving;
  await dispatcher.destroy();
  await gateway[Symbol.asyncDispose]();
});
beforeEach(async () => {
  asked = 0;
  await reportPoint('c');
});

async function reportPoint(checkpointId: string): Promise<void> {
  const point = {
    sequence: 1,
    checkpointId,
    requestId: '',
    consistency: 'crash' as const,
    createdAt: new Date().toISOString(),
    pauseMicroseconds: 0,
    disks: [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: SIZE, sha256: null }],
  };
  await server.reportPoints(machineId, { complete: true, points: [point] }, never);
}

/** As a replication server does, until the signal. */
async function serveExports(signal: AbortSignal): Promise<void> {
  const done = new Set<string>();
  while (!signal.aborted) {
    const { tasks } = await server.assignments(null, 0, never);
    for (const { id, kind, offsetBytes = 0, lengthBytes = SIZE - offsetBytes } of tasks) {
      if (kind !== 'export' || done.has(id)) continue;
      done.add(id);
      asked += 1;
      const part = content.subarray(offsetBytes, offsetBytes + lengthBytes);
      const body = async function* (): AsyncGenerator<Buffer> {
        for (let at = 0; at < part.length; at += 65_536) yield part.subarray(at, at + 65_536);
      };
      const ended = await server.uploadExport(id, part.length, body(), never).then(
        () => true,
        () => false,
      );
      if (ended) await server.taskResult(id, { state: 'succeeded', sha256 }, never);
    }
  }
}

async function get(headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') {
  const url = `${gateway.url}/v1/machines/${machineId}/points/1/disks/serial-1/image`;
  const authorization = `Bearer ${gateway.apiToken}`;
  const answer = await request(url, { method, dispatcher, headers: { authorization, ...headers } });
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
}

test('the whole comes with its length and a strong name; HEAD says the same and asks nobody', async () => {
  const head = await get({}, 'HEAD');
  expect(asked).toBe(0);
  const whole = await get();
  expect(whole.body.equals(content)).toBe(true);
  for (const { status, headers } of [head, whole]) {
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-length': `${SIZE}`,
      'accept-ranges': 'bytes',
      'lms-size-bytes': `${SIZE}`,
    });
    expect(headers['etag']).toMatch(/^"[0-9a-f]{32}"$/);
    expect(headers['content-range']).toBeUndefined();
  }
  expect(head.headers['etag']).toBe(whole.headers['etag']);
});

test('once the SHA-256 is known it is told ahead, also of a part', async () => {
  await get();
  const told = await until('the digest is known', async () => {
    const { headers } = await get({}, 'HEAD');
    return headers['lms-sha256'] !== undefined && headers;
  });
  expect(told['lms-sha256']).toBe(sha256);
  const part = await get({ range: 'bytes=7-' });
  expect(part.headers['repr-digest']).toBe(`sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`);
});

test('whichever part is asked for comes, byte for byte', async () => {
  const place = fc.nat(SIZE - 1);
  await fc.assert(
    fc.asyncProperty(place, fc.option(fc.nat(SIZE + 10), { nil: null }), async (first, length) => {
      const last = length === null ? null : first + length;
      const { status, headers, body } = await get({ range: `bytes=${first}-${last ?? ''}` });
      const end = Math.min(SIZE, (last ?? SIZE) + 1);
      expect([status, headers['content-range']]).toEqual([206, `bytes ${first}-${end - 1}/${SIZE}`]);
      expect(body.equals(content.subarray(first, end))).toBe(true);
    }),
    { numRuns: 15 },
  );
  expect((await get({ range: `bytes=${SIZE - 1}-` })).body).toEqual(content.subarray(SIZE - 1));
  expect((await get({ range: 'bytes=-5' })).body).toEqual(content.subarray(SIZE - 5));
});

test('several ranges, and what is no range, are answered with the whole', async () => {
  for (const range of ['bytes=0-1,5-6', 'bytes=x-', 'items=0-1', 'bytes=9-3']) {
    const { status, body } = await get({ range });
    expect([range, status, body.length]).toEqual([range, 200, SIZE]);
  }
});

test('a range behind the end is 416 and says how much there is, without asking the replication server', async () => {
  const { status, headers, body } = await get({ range: `bytes=${SIZE}-` });
  expect([status, headers['content-range']]).toEqual([416, `bytes */${SIZE}`]);
  expect(JSON.parse(body.toString())).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'Range' });
  expect(asked).toBe(0);
});

test('a part counts for the same content only: If-Range gives the whole of other content, If-Match refuses', async () => {
  const etag = String((await get({}, 'HEAD')).headers['etag']);
  expect((await get({ range: 'bytes=5-', 'if-range': etag })).status).toBe(206);
  expect((await get({ range: 'bytes=5-', 'if-match': etag })).status).toBe(206);
  // The replica was made anew, and its points count from 1 again.
  await reportPoint('another');
  const other = await get({ range: 'bytes=5-', 'if-range': etag });
  expect([other.status, other.body.length]).toEqual([200, SIZE]);
  expect(other.headers['etag']).not.toBe(etag);
  expect((await get({ range: 'bytes=5-', 'if-match': etag })).status).toBe(412);
  expect((await get({ 'if-match': etag }, 'HEAD')).status).toBe(412);
  const place = { idOrName: machineId, sequence: 1, diskId: 'serial-1' };
  const resumed = gateway.operator.diskImage(place, { offsetBytes: 5, etag }, never);
  await expect(resumed).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('two downloads of one disk at once, from different places, both arrive', async () => {
  const [one, other] = await Promise.all([get(), get({ range: 'bytes=100000-' })]);
  expect(one.body.equals(content)).toBe(true);
  expect(other.body.equals(content.subarray(100_000))).toBe(true);
});

test('a replication server that knows no parts sends the whole, which is an answer too', async () => {
  ending.abort();
  await serving;
  const waiting = get({ range: 'bytes=5-' });
  const task = await until('the export is asked for', async () =>
    (await server.assignments(null, 0, never)).tasks.find(({ kind }) => kind === 'export'),
  );
  const body = async function* (): AsyncGenerator<Buffer> {
    yield content;
  };
  await server.uploadExport(task.id, SIZE, body(), never);
  await server.taskResult(task.id, { state: 'succeeded' }, never);
  const { status, body: received } = await waiting;
  expect([status, received.equals(content)]).toEqual([200, true]);
});
