import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { EventConnection, jsonState, StateBucket } from '@lms/events';
import { z } from 'zod';
import { TestNatsServer } from '../harness/nats-server.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(90_000);

const COUNTER = jsonState(z.object({ count: z.number() }), 1);
const signal = new AbortController().signal;

let server: TestNatsServer;
let connection: EventConnection;
let name = 0;

beforeAll(async () => {
  server = await TestNatsServer.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  connection = await EventConnection.connect(server.options, 'test', signal);
});
afterEach(async () => {
  await connection.close();
});

async function openBucket(bucketName = `counters-${(name += 1)}`, on = connection) {
  return StateBucket.open(on, { name: bucketName, codec: COUNTER }, signal);
}

test('a write is in memory when it returns, and in the memory of every other replica soon after', async () => {
  const bucket = await openBucket();
  const other = await openBucket(bucket.name);
  const { revision } = await bucket.create('a', { count: 1 });
  expect(bucket.get('a')).toEqual({ key: 'a', value: { count: 1 }, revision });
  await other.waitForRevision(revision, AbortSignal.timeout(30_000));
  expect(other.get('a')?.value).toEqual({ count: 1 });
});

test('of two writes with the same revision one wins and the other is told ABORTED', async () => {
  const bucket = await openBucket();
  const { revision } = await bucket.create('a', { count: 1 });
  const results = await Promise.allSettled([
    bucket.update('a', { count: 2 }, revision),
    bucket.update('a', { count: 3 }, revision),
  ]);
  expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(results.find((result) => result.status === 'rejected')).toMatchObject({ reason: { code: 'ABORTED' } });
  await expect(bucket.create('a', { count: 9 })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('50 parallel changes through two replicas all count', async () => {
  const bucket = await openBucket();
  const other = await openBucket(bucket.name);
  const increment = (current: { count: number } | null) => ({ count: (current?.count ?? 0) + 1 });
  // As many at a time as there are replicas in a cluster: more only race with each other.
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([1, 2, 3, 4, 5].map((index) => (index % 2 ? bucket : other).modify('a', increment)));
  }
  expect((await bucket.fetch('a'))?.value).toEqual({ count: 50 });
});

test('a deleted key is gone, can be made again, and an old revision deletes nothing', async () => {
  const bucket = await openBucket();
  const first = await bucket.create('a', { count: 1 });
  const second = await bucket.update('a', { count: 2 }, first.revision);
  await expect(bucket.delete('a', first.revision)).rejects.toMatchObject({ code: 'ABORTED' });
  await bucket.delete('a', second.revision);
  expect(bucket.get('a')).toBeNull();
  expect(await bucket.fetch('a')).toBeNull();
  await bucket.create('a', { count: 3 });
  expect(bucket.get('a')?.value).toEqual({ count: 3 });
});

test('what is deleted leaves nothing: its history goes at once, and the mark of its deletion after a while', async () => {
  const bucketName = `counters-${(name += 1)}`;
  const bucket = await StateBucket.open(connection, { name: bucketName, codec: COUNTER, deletedSeconds: 1 }, signal);
  const messages = async () => (await connection.manager.streams.info(`KV_${bucketName}`)).state.messages;
  const kept = await bucket.create('kept', { count: 0 });
  for (let index = 0; index < 10; index += 1) {
    const { key, revision } = await bucket.create(`point.${index}`, { count: 1 });
    await bucket.delete(key, (await bucket.update(key, { count: 2 }, revision)).revision);
  }
  expect(bucket.entries()).toEqual([kept]);
  await until('the marks are gone', async () => (await messages()) === 1);
  const again = await bucket.create('point.3', { count: 3 });
  expect(bucket.get('point.3')).toEqual(again);
});

test('a deletion reaches a replica that was there, and is nothing to one that comes when its mark is gone', async () => {
  const options = { name: `counters-${(name += 1)}`, codec: COUNTER, deletedSeconds: 1 };
  const bucket = await StateBucket.open(connection, options, signal);
  await bucket.create('kept', { count: 0 });
  const { revision } = await bucket.create('gone', { count: 1 });
  const other = await StateBucket.open(connection, options, signal);
  expect(other.get('gone')).not.toBeNull();
  await bucket.delete('gone', revision);
  await other.waitForRevision(revision + 1, AbortSignal.timeout(30_000));
  expect(other.get('gone')).toBeNull();
  await until('no mark is left', async () => {
    return (await connection.manager.streams.info(`KV_${options.name}`)).state.messages === 1;
  });
  const late = await StateBucket.open(connection, options, signal);
  expect(late.entries().map(({ key }) => key)).toEqual(['kept']);
  expect(late.revision).toBe(revision + 1);
});

test('all that was acknowledged is there after kill -9 of NATS, and watching goes on', async () => {
  const bucket = await openBucket();
  const otherConnection = await EventConnection.connect(server.options, 'other', signal);
  const other = await openBucket(bucket.name, otherConnection);
  for (let index = 0; index < 20; index += 1) await bucket.create(`k${index}`, { count: index });
  await server.kill();
  await until('the loss is noticed', () => !connection.connected);
  await expect(bucket.create('late', { count: 0 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(bucket.health().healthy && connection.health().healthy).toBe(false);
  await server.start();
  await until('the write works again', () => bucket.create('late', { count: 0 }).catch(() => false));
  await until('the other replica sees it', () => other.get('late'));
  expect(other.size).toBe(21);
  expect(bucket.entries().map((entry) => entry.key)).toContain('k19');
  await until('both are healthy', () => bucket.health().healthy && other.health().healthy);
  await otherConnection.close();
});

test('after JetStream was lost the bucket is empty, is whole again for writers, and a new value wins', async () => {
  const bucket = await openBucket();
  for (let index = 0; index < 5; index += 1) await bucket.create(`k${index}`, { count: index });
  await server.kill();
  await server.loseData();
  await server.start();
  await until('memory is empty', () => bucket.size === 0 && connection.connected);
  await until('the write works again', () => bucket.create('k1', { count: 100 }).catch(() => false));
  expect(bucket.get('k1')?.value).toEqual({ count: 100 });
  await until('health', () => bucket.health().healthy);
});

test('pages come in the order of keys, each key once', async () => {
  const bucket = await openBucket();
  for (const key of ['d', 'a', 'c', 'e', 'b']) await bucket.create(key, { count: 0 });
  const keys: string[] = [];
  for (let token: string | null | undefined; token !== null;) {
    const page = bucket.list(2, token ?? null);
    keys.push(...page.entries.map((entry) => entry.key));
    token = page.nextPageToken;
  }
  expect(keys).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a value of a newer schema is left alone and makes the bucket unhealthy', async () => {
  const bucket = await openBucket();
  const newer = await StateBucket.open(
    connection,
    { name: bucket.name, codec: jsonState(z.object({ amount: z.number() }), 2) },
    signal,
  );
  await newer.create('a', { amount: 1 });
  await until('it is noticed', () => !bucket.health().healthy);
  await expect(bucket.fetch('a')).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(bucket.modify('a', () => ({ count: 1 }))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  expect((await newer.fetch('a'))?.value).toEqual({ amount: 1 });
});

test('a key that is no key is refused before it reaches NATS', async () => {
  const bucket = await openBucket();
  for (const key of ['', 'a b', '>', 'a.*', '../x', 'a..b', '.a']) {
    await expect(bucket.create(key, { count: 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});
