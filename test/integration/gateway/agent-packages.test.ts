/** The agent as files that anybody may load: from the gateway's own folder, and from a bucket of a real S3 server. */
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createDispatcher } from '@lms/api';
import type { GatewayConfiguration } from '@lms/gateway';
import { PRODUCT_VERSION } from '@lms/rpc';
import { request, type Dispatcher } from 'undici';
import { Cleanup } from '../../harness/cleanup.ts';
import { BUCKET, ObjectStore, writeCredentials } from '../../harness/object-store.ts';
import { TestGateway } from '../harness/gateway.ts';

jest.setTimeout(120_000);

const NAME = `live-migration-agent-${PRODUCT_VERSION}-linux-x64.tar.gz`;
const OLD_NAME = 'live-migration-agent-0.0.1-linux-x64.tar.gz';
const content = randomBytes(300_007);
const sha256 = createHash('sha256').update(content).digest('hex');
const cleanup = new Cleanup();
let folder: string;
let store: ObjectStore;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lms-packages-'));
  cleanup.add('remove the folder', () => rmSync(folder, { recursive: true }));
  store = await ObjectStore.start({ folder, cleanup });
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

const described = { platform: 'linux-x64', sizeBytes: content.length, sha256, inputs: sha256 };

/** A folder with a list, and what it names. */
function packages(name: string): string {
  const place = join(folder, name);
  mkdirSync(place);
  const listed = [
    { ...described, name: OLD_NAME, version: '0.0.1' },
    { ...described, name: NAME, version: PRODUCT_VERSION },
  ];
  writeFileSync(join(place, 'index.json'), JSON.stringify({ schemaVersion: 1, packages: listed }));
  writeFileSync(join(place, NAME), content);
  return place;
}

type Get = (
  path: string,
  headers?: Record<string, string>,
  method?: 'GET' | 'HEAD',
) => Promise<Dispatcher.ResponseData>;

async function withGateway(
  agentPackages: NonNullable<GatewayConfiguration['agentPackages']>,
  work: (get: Get, gateway: TestGateway) => Promise<void>,
): Promise<void> {
  await using gateway = await TestGateway.start({ agentPackages });
  const dispatcher = createDispatcher(gateway.caPem);
  try {
    await work((path, headers = {}, method = 'GET') => {
      return request(gateway.url + path, { method, headers, dispatcher, headersTimeout: 20_000 });
    }, gateway);
  } finally {
    await dispatcher.destroy();
  }
}

const PATH = `/v1/agent/packages/${NAME}`;

async function problem(answer: Dispatcher.ResponseData): Promise<{ readonly status: number; readonly detail: string }> {
  return (await answer.body.json()) as { status: number; detail: string };
}

test('anybody may see what there is, load it from any place on, and is told its SHA-256', async () => {
  await withGateway({ folder: packages('own') }, async (get) => {
    expect(await (await get('/v1/agent/packages')).body.json()).toEqual({
      packages: [
        { name: OLD_NAME, version: '0.0.1', platform: 'linux-x64', sizeBytes: content.length, sha256 },
        { name: NAME, version: PRODUCT_VERSION, platform: 'linux-x64', sizeBytes: content.length, sha256 },
      ],
    });
    // What is installed is of the manager's own version.
    expect(await (await get('/v1/agent/SHA256SUMS')).body.text()).toBe(`${sha256}  ${NAME}\n`);

    const head = await get(PATH, {}, 'HEAD');
    expect(head.headers).toMatchObject({ 'content-length': '300007', etag: `"${sha256}"`, 'accept-ranges': 'bytes' });
    const whole = await get(PATH);
    expect(Buffer.from(await whole.body.arrayBuffer()).equals(content)).toBe(true);
    const rest = await get(PATH, { range: 'bytes=300000-', 'if-range': `"${sha256}"` });
    expect([rest.statusCode, rest.headers['content-range']]).toEqual([206, 'bytes 300000-300006/300007']);
    expect(Buffer.from(await rest.body.arrayBuffer()).equals(content.subarray(300_000))).toBe(true);
    expect((await get(PATH, { 'if-none-match': `"${sha256}"` })).statusCode).toBe(304);
    const behind = await get(PATH, { range: 'bytes=300007-' });
    expect([behind.statusCode, behind.headers['content-range']]).toEqual([416, 'bytes */300007']);
  });
});

test('a name that is not in the list is no path', async () => {
  const own = packages('names');
  writeFileSync(join(folder, 'secret'), 'secret');
  await withGateway({ folder: own }, async (get) => {
    for (const name of ['index.json', '..%2Fsecret', '%2Fetc%2Fpasswd', '.', `${NAME}%00`]) {
      const { status, detail } = await problem(await get(`/v1/agent/packages/${name}`));
      expect({ name, status }).toEqual({ name, status: 404 });
      expect(detail).not.toContain('secret');
    }
    const listedOnly = await problem(await get(`/v1/agent/packages/${OLD_NAME}`));
    expect(listedOnly).toMatchObject({ status: 500, detail: expect.stringContaining('is not there') });
    truncateSync(join(own, NAME), 7);
    expect(await problem(await get(PATH))).toMatchObject({
      detail: expect.stringContaining('has 7 bytes, and not 300007'),
    });
  });
});

test('the printed line names the SHA-256 of the script and of the CA that the gateway gives', async () => {
  await withGateway({ folder: packages('line') }, async (get, gateway) => {
    const { body } = await gateway.send('POST', '/v1/tokens', { body: '{}', token: gateway.apiToken });
    const line = String(body['installCommand']);
    const script = await (await get('/v1/agent/install.sh')).body.text();
    expect(line).toContain(createHash('sha256').update(script).digest('hex'));
    const ca = new X509Certificate(await (await get('/v1/ca.pem')).body.text());
    expect(line).toContain(`--ca-sha256 ${createHash('sha256').update(ca.raw).digest('hex')}`);
    // The token is in the environment: whatever is started has it in none of its arguments.
    expect(line.split(String(body['token']))).toHaveLength(2);
    expect(line.startsWith(`LMS_TOKEN='${String(body['token'])}' sh -c `)).toBe(true);
  });
});

function bucket(delivery: 'redirect' | 'stream', credentialsFolder = store.credentialsFolder) {
  const { endpoint } = store;
  return { endpoint, region: 'us-east-1', bucket: BUCKET, prefix: 'v1/', credentialsFolder, delivery };
}

function putObject(bytes: Buffer): void {
  mkdirSync(join(store.bucketFolder, 'v1'), { recursive: true });
  writeFileSync(join(store.bucketFolder, 'v1', NAME), bytes);
}

test('from a bucket: who asks is sent to a place there that opens for a quarter of an hour, also for a part', async () => {
  putObject(content);
  await withGateway({ folder: packages('redirect'), bucket: bucket('redirect') }, async (get) => {
    const answer = await get(PATH);
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([307, 'no-store']);
    const place = String(answer.headers['location']);
    expect(place.startsWith(`${store.endpoint}/${BUCKET}/v1/${NAME}?`)).toBe(true);
    expect(place).toContain('X-Amz-Expires=900');
    const loaded = await request(place, { headers: { range: 'bytes=300000-' } });
    expect(loaded.statusCode).toBe(206);
    expect(Buffer.from(await loaded.body.arrayBuffer()).equals(content.subarray(300_000))).toBe(true);
    // Nobody opens it without that signature.
    const unsigned = await request(place.split('?')[0] ?? '');
    await unsigned.body.dump();
    expect(unsigned.statusCode).toBe(403);
    expect((await get(PATH, {}, 'HEAD')).headers['content-length']).toBe('300007');
  });
});

test('from a bucket through the gateway: the same answers as from its own folder', async () => {
  putObject(content);
  await withGateway({ folder: packages('stream'), bucket: bucket('stream') }, async (get) => {
    const whole = await get(PATH);
    expect(whole.headers).toMatchObject({ 'content-length': '300007', etag: `"${sha256}"` });
    expect(Buffer.from(await whole.body.arrayBuffer()).equals(content)).toBe(true);
    const part = await get(PATH, { range: 'bytes=5-104' });
    expect([part.statusCode, part.headers['content-range']]).toEqual([206, 'bytes 5-104/300007']);
    expect(Buffer.from(await part.body.arrayBuffer()).equals(content.subarray(5, 105))).toBe(true);
  });
});

test('a bucket that cannot give the package is named, with what to do', async () => {
  const place = packages('refusals');
  rmSync(join(store.bucketFolder, 'v1', NAME), { force: true });
  await withGateway({ folder: place, bucket: bucket('stream') }, async (get) => {
    expect(await problem(await get(PATH))).toMatchObject({
      status: 503,
      detail: expect.stringContaining(`has no v1/${NAME}`),
    });
    putObject(content.subarray(0, 1_000));
    expect(await problem(await get(PATH))).toMatchObject({
      detail: expect.stringContaining('has 1000 bytes where 300007 were expected'),
    });
  });
  const wrong = join(folder, 'wrong-credentials');
  writeCredentials(wrong, 'not the secret');
  await withGateway({ folder: place, bucket: bucket('stream', wrong) }, async (get) => {
    expect(await problem(await get(PATH))).toMatchObject({
      status: 503,
      detail: expect.stringContaining('refuses the manager (403)'),
    });
  });
  const away = { ...bucket('stream'), endpoint: 'http://127.0.0.1:9' };
  await withGateway({ folder: place, bucket: away }, async (get) => {
    expect(await problem(await get(PATH))).toMatchObject({
      status: 503,
      detail: expect.stringContaining('does not answer'),
    });
  });
});
