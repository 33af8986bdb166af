import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { EventConnection, FactConsumer, listDeadLetters, publishFact, replayDeadLetter } from '@lms/events';
import type { Event } from '@lms/proto';
import { TestNatsServer } from '../harness/nats-server.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(90_000);

const signal = new AbortController().signal;
let server: TestNatsServer;
let connection: EventConnection;

// A server per test: facts of one test are not the other's.
beforeEach(async () => {
  server = await TestNatsServer.start();
  connection = await EventConnection.connect(server.options, 'test', signal);
});
afterEach(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
});

function pointDeleted(machineId: string, sequence: bigint): Event {
  return { occurredAt: new Date(0), machineId, fact: { $case: 'pointDeleted', value: { sequence } } };
}

async function consume(name: string, handle: (sequence: bigint) => void | Promise<void>): Promise<FactConsumer> {
  return FactConsumer.start(connection, {
    name,
    kinds: ['point-deleted'],
    retryDelayMilliseconds: 1,
    handle: async (event) => {
      if (event.fact?.$case === 'pointDeleted') await handle(event.fact.value.sequence);
    },
  });
}

test('a fact published twice under one id is handled once', async () => {
  const handled: bigint[] = [];
  const consumer = await consume('once', (sequence) => void handled.push(sequence));
  const first = await publishFact(connection, pointDeleted('m-1', 2n ** 60n), { messageId: 'point.1' });
  const second = await publishFact(connection, pointDeleted('m-1', 2n ** 60n), { messageId: 'point.1' });
  await publishFact(connection, pointDeleted('m-1', 2n), { messageId: 'point.2' });
  await until('the last is handled', () => handled.includes(2n));
  expect([first.duplicate, second.duplicate]).toEqual([false, true]);
  expect(handled).toEqual([2n ** 60n, 2n]);
  await consumer.stop();
});

test('a stream that nobody answers for, such as one without a leader, is away for a while: the fact may be told again', async () => {
  const told = publishFact(connection, pointDeleted('m-1', 1n), { messageId: 'point.1' });
  await expect(told).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
});

test('facts that came while the consumer was away are handled when it is back, and none twice', async () => {
  const handled: bigint[] = [];
  const first = await consume('away', (sequence) => void handled.push(sequence));
  await publishFact(connection, pointDeleted('m-1', 1n), { messageId: '1' });
  await until('the first is handled', () => handled.length === 1);
  await first.stop();
  await publishFact(connection, pointDeleted('m-1', 2n), { messageId: '2' });
  const second = await consume('away', (sequence) => void handled.push(sequence));
  await until('the second is handled', () => handled.length === 2);
  await second.stop();
  expect(handled).toEqual([1n, 2n]);
});

test('a fact that no attempt can handle becomes a dead letter, does not hold up others, and can be replayed', async () => {
  const handled: bigint[] = [];
  const elsewhere: bigint[] = [];
  let broken = true;
  const consumer = await consume('fragile', (sequence) => {
    if (sequence === 1n && broken) throw new Error('cannot be handled yet');
    handled.push(sequence);
  });
  const other = await consume('robust', (sequence) => void elsewhere.push(sequence));
  await publishFact(connection, pointDeleted('m-1', 1n), { messageId: '1' });
  await publishFact(connection, pointDeleted('m-1', 2n), { messageId: '2' });
  const [letter] = await until('the dead letter', async () => {
    const { deadLetters } = await listDeadLetters(connection, { limit: 10, signal });
    return deadLetters.length > 0 && deadLetters;
  });
  expect(letter).toMatchObject({ consumer: 'fragile', reason: 'cannot be handled yet', deliveries: 5 });
  expect(letter?.subject).toBe('lms.v1.event.point-deleted.m-1');
  expect(handled).toEqual([2n]);
  broken = false;
  await replayDeadLetter(connection, letter?.sequence ?? 0);
  await until('the replayed fact is handled', () => handled.includes(1n));
  expect((await listDeadLetters(connection, { limit: 10, signal })).deadLetters).toEqual([]);
  await publishFact(connection, pointDeleted('m-1', 3n), { messageId: '3' });
  await until('both are at the end', () => handled.includes(3n) && elsewhere.includes(3n));
  expect(elsewhere).toEqual([1n, 2n, 3n]);
  await expect(replayDeadLetter(connection, letter?.sequence ?? 0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await consumer.stop();
  await other.stop();
});

test('consumers go on after kill -9 of NATS, and after it lost all its data', async () => {
  const handled = new Set<bigint>();
  const consumer = await consume('survivor', (sequence) => void handled.add(sequence));
  const publishUntilHandled = (sequence: bigint) =>
    until(`fact ${sequence} is handled`, async () => {
      await publishFact(connection, pointDeleted('m-1', sequence), { messageId: String(sequence) });
      return handled.has(sequence);
    });
  await publishUntilHandled(1n);
  await server.kill();
  await server.start();
  await publishUntilHandled(2n);
  await server.kill();
  await server.loseData();
  await server.start();
  await publishUntilHandled(3n);
  await until('it is healthy', () => consumer.health().healthy);
  await consumer.stop();
});

test('a consumer that is interested in another kind, since an upgrade, gets that too and goes on where it was', async () => {
  const handled: string[] = [];
  const consumeKinds = (kinds: readonly string[]): Promise<FactConsumer> =>
    FactConsumer.start(connection, {
      name: 'upgraded',
      kinds,
      handle: (event) => Promise.resolve(void handled.push(`${event.fact?.$case} ${event.machineId}`)),
    });
  const before = await consumeKinds(['point-deleted']);
  await publishFact(connection, pointDeleted('m-1', 1n), { messageId: '1' });
  await until('the first is handled', () => handled.length === 1);
  await before.stop();
  const after = await consumeKinds(['point-deleted', 'machine-removed']);
  const removed: Event = {
    occurredAt: new Date(0),
    machineId: 'm-2',
    fact: { $case: 'machineRemoved', value: { machine: undefined } },
  };
  await publishFact(connection, removed, { messageId: '2' });
  await publishFact(connection, pointDeleted('m-3', 1n), { messageId: '3' });
  await until('all are handled', () => handled.length === 3);
  expect(handled).toEqual(['pointDeleted m-1', 'machineRemoved m-2', 'pointDeleted m-3']);
  await after.stop();
});
