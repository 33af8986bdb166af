import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { TestGateway, never } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(120_000);

let gateway: TestGateway;
let agentToken: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  const agent = await gateway.enrolAgent();
  const granted = await gateway.send('POST', '/v1/agent/token', { body: { assertion: await agent.assertion() } });
  agentToken = String(granted.body['accessToken']);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const record = { at: '2026-11-23T21:00:00Z', level: 'info', message: 'm' };

function sendLogs(body: Buffer | string, headers: Record<string, string> = {}) {
  const sent = { 'content-type': 'application/json', ...headers };
  return gateway.send('POST', '/v1/agent/logs', { token: agentToken, body, headers: sent });
}

test('a body that is no JSON, empty, of another type or not of the schema is refused with the field that is wrong', async () => {
  expect(await sendLogs('{"batch": [')).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } });
  expect((await sendLogs('')).status).toBe(400);
  expect((await sendLogs('<xml/>', { 'content-type': 'text/xml' })).status).toBe(400);
  const wrong = await sendLogs(JSON.stringify({ batch: [record, { ...record, level: 'loud' }] }));
  expect(wrong).toMatchObject({ status: 400, body: { field: 'batch[1].level', title: expect.any(String) } });
});

test('a field that is not known is taken of an agent, which may be newer, and refused of an operator', async () => {
  expect((await sendLogs(JSON.stringify({ batch: [record], more: true }))).status).toBe(200);
  const body = { pointIntervalSeconds: 30, more: true };
  const asked = await gateway.send('PATCH', '/v1/settings', { token: gateway.apiToken, body });
  expect(asked).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } });
});

test('a batch may come compressed by zstd or gzip, and by nothing else', async () => {
  const plain = JSON.stringify({ batch: Array(100).fill(record) });
  expect((await sendLogs(zstdCompressSync(plain), { 'content-encoding': 'zstd' })).status).toBe(200);
  expect((await sendLogs(gzipSync(plain), { 'content-encoding': 'gzip' })).status).toBe(200);
  const unknown = await sendLogs(plain, { 'content-encoding': 'br' });
  expect(unknown).toMatchObject({ status: 400, body: { field: 'content-encoding' } });
  expect((await sendLogs(Buffer.from('garbage'), { 'content-encoding': 'zstd' })).status).toBe(400);
});

test('a body that is too long is refused, plain or grown out of a small one', async () => {
  const long = JSON.stringify({ batch: [{ ...record, message: 'x'.repeat(9 * 1024 * 1024) }] });
  expect(await sendLogs(long)).toMatchObject({ status: 413, body: { code: 'RESOURCE_EXHAUSTED', field: 'body' } });
  const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
  expect(bomb.length).toBeLessThan(128 * 1024);
  expect((await sendLogs(bomb, { 'content-encoding': 'zstd' })).status).toBe(413);
  const small = { token: gateway.apiToken, body: JSON.stringify({ name: 'x'.repeat(300 * 1024) }) };
  expect((await gateway.send('POST', '/v1/tokens', small)).status).toBe(413);
});

test('whatever body comes, the answer is a problem document and the gateway goes on', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (body) => {
      const answer = await sendLogs(body);
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ status: 400, code: expect.any(String), detail: expect.any(String) });
    }),
    { numRuns: 100 },
  );
  await expect(gateway.operator.status(never)).resolves.toBeDefined();
});

test('ids and names in paths are checked before anybody is asked', async () => {
  const token = gateway.apiToken;
  for (const id of ['..%2f..%2fetc', 'a%20b', '%00', 'x'.repeat(200)]) {
    expect((await gateway.send('GET', `/v1/machines/${id}`, { token })).status).toBe(400);
  }
  expect((await gateway.send('GET', '/v1/machines/nobody', { token })).status).toBe(404);
  expect((await gateway.send('GET', '/v1/machines/nobody/points/0/disks/a/image', { token })).status).toBe(400);
  expect((await gateway.send('GET', '/v1/nothing', { token })).status).toBe(404);
});

/** The paths that agents, replication servers and command lines are written against. */
const CONTRACT = [
  '/ca',
  '/health',
  '/agent/enrol',
  '/agent/token',
  '/agent/heartbeat',
  '/agent/commands',
  '/agent/commands/{commandId}/result',
  '/agent/statistics',
  '/agent/logs',
  '/agent/certificate',
  '/replication-server/enrol',
  '/replication-server/token',
  '/replication-server/certificate',
  '/replication-server/assignments',
  '/replication-server/ready',
  '/replication-server/statistics',
  '/replication-server/logs',
  '/replication-server/machines/{machineId}/points',
  '/replication-server/tasks/{taskId}/result',
  '/replication-server/exports/{taskId}',
  '/status',
  '/tokens',
  '/tokens/{tokenId}',
  '/machines',
  '/machines/{idOrName}',
  '/machines/{idOrName}/pause',
  '/machines/{idOrName}/resume',
  '/machines/{idOrName}/rescan',
  '/machines/{idOrName}/initiation',
  '/machines/{idOrName}/statistics',
  '/machines/{idOrName}/points',
  '/machines/{idOrName}/points/{sequence}',
  '/machines/{idOrName}/points/{sequence}/verify',
  '/machines/{idOrName}/points/{sequence}/disks/{diskId}/image',
  '/operations/{operationId}',
  '/logs',
];

test('the interface is described as OpenAPI 3.1, every route with its schemas', async () => {
  const { body } = await gateway.send('GET', '/v1/openapi.json');
  expect(body['openapi']).toBe('3.1.0');
  const paths = body['paths'] as Record<
    string,
    Record<string, { summary?: string; tags?: string[]; security?: object[] }>
  >;
  for (const operations of Object.values(paths)) {
    for (const { summary, tags, security } of Object.values(operations)) {
      expect(summary).toBeDefined();
      expect(security === undefined).toBe(tags?.[0] === 'anyone');
    }
  }
  expect(Object.keys(paths)).toEqual(expect.arrayContaining(CONTRACT.map((path) => `/v1${path}`)));
});

test('too many requests at once are told to wait, and the others are served', async () => {
  const agent = await gateway.enrolAgent();
  const granted = await gateway.send('POST', '/v1/agent/token', { body: { assertion: await agent.assertion() } });
  const token = String(granted.body['accessToken']);
  const ask = () => gateway.send('GET', '/v1/agent/commands', { token });
  const burst = await Promise.all(Array.from({ length: 200 }, ask));
  expect(burst.every((answer) => answer.status === 200)).toBe(true);
  // However slow this machine is, it asks faster than the rate allows.
  const limited = await until('a request is refused', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, ask));
    return answers.find((answer) => answer.status === 429);
  });
  expect(limited).toMatchObject({ headers: { 'retry-after': '1' }, body: { code: 'RESOURCE_EXHAUSTED' } });
  await expect(gateway.operator.status(never)).resolves.toBeDefined();
});
