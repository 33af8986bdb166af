import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { zstdCompressSync } from 'node:zlib';
import { LmsError, toLmsError } from '@lms/errors';
import { BLOCK_SIZE_BYTES, createDigester } from '@lms/block-stream';
import type { ErrorFrame, Frame, FrameConnection, HelloAnswerFrame, HelloFrame, WriteFrame } from '@lms/block-stream';
import { createMemoryConnection } from '../../test/memory-connection.ts';
import { createMemoryStore } from '../../test/memory-store.ts';
import type { MemoryStore } from '../../test/memory-store.ts';
import { MachineReplicas } from './machine-replicas.ts';
import type { ReplicationPorts } from './ports.ts';

const MACHINE = 'machine-1';
const DISK_BYTES = 10 * BLOCK_SIZE_BYTES + 512;

let stores: MemoryStore[];
let generation: number;
let room: boolean;
let assigned: boolean;
let ends: (LmsError | null)[];
let warnings: LmsError[];
let replicas: MachineReplicas;
let connections: FrameConnection[];

const ports: ReplicationPorts = {
  clock: {
    wallMicroseconds: () => 1,
    monotonicMilliseconds: () => 1,
    // No time passes here: whoever sleeps does so until it is given up.
    sleep: (_milliseconds, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(toLmsError(signal.reason)), { once: true });
      }),
  },
  location: { bootId: 'boot-a', wholeDiskNumbers: () => Promise.resolve([8 * 2 ** 20]) },
  fencing: {
    next: () => {
      generation += 1;
      return Promise.resolve(generation);
    },
  },
  observer: {
    sessionStarted: () => undefined,
    sessionEnded: (_machine, error) => ends.push(error),
    aroundCheckpoint: (_machine, _frame, commit) => commit(),
    pointsChanged: () => undefined,
    warn: (_machine, error) => warnings.push(error),
  },
  openStore: () => {
    const store = createMemoryStore();
    stores.push(store);
    return Promise.resolve(store);
  },
  hasRoom: () => Promise.resolve(room),
  assignment: () => (assigned ? { retention: [] } : null),
};

beforeEach(() => {
  stores = [];
  generation = 0;
  room = true;
  assigned = true;
  ends = [];
  warnings = [];
  connections = [];
  replicas = new MachineReplicas(ports);
});

afterEach(async () => {
  for (const connection of connections) connection.close();
  await replicas.close();
});

const hello: HelloFrame = {
  type: 'hello',
  protocolMinimum: 1,
  protocolMaximum: 1,
  agentVersion: '0.1.0',
  capabilities: [],
  bootId: 'boot-b',
  wholeDiskNumbers: [8 * 2 ** 20],
  mapEpoch: 'epoch',
  acknowledgedMark: 0,
  disks: [{ diskId: 'disk', device: '/dev/sda', sizeBytes: DISK_BYTES }],
};

function connect(): { agent: FrameConnection; ended: Promise<void> } {
  const { agent, server } = createMemoryConnection();
  connections.push(agent);
  return { agent, ended: replicas.serve(MACHINE, server) };
}

async function open(
  frame: HelloFrame = hello,
): Promise<{ agent: FrameConnection; answer: HelloAnswerFrame; ended: Promise<void> }> {
  const { agent, ended } = connect();
  await agent.send(frame);
  const answer = await agent.receive();
  if (answer?.type !== 'helloAnswer') throw new Error(`not an answer: ${JSON.stringify(answer)}`);
  return { agent, answer, ended };
}

async function nextError(agent: FrameConnection): Promise<ErrorFrame> {
  for (let frame = await agent.receive(); frame !== null; frame = await agent.receive()) {
    if (frame.type === 'error') return frame;
  }
  throw new Error('the connection ended without an ERROR frame');
}

async function refusal(frame: Frame): Promise<ErrorFrame> {
  const { agent } = connect();
  await agent.send(frame);
  return nextError(agent);
}

const digester = createDigester(new Uint8Array(32).fill(7));

function write(firstBlock: number, blockCount = 1, fill = 1): WriteFrame {
  const raw = new Uint8Array(
    Math.min((firstBlock + blockCount) * BLOCK_SIZE_BYTES, DISK_BYTES) - firstBlock * BLOCK_SIZE_BYTES,
  );
  raw.fill(fill);
  const common = { type: 'write', diskIndex: 0, firstBlock, blockCount, rawLengthBytes: raw.byteLength } as const;
  return { ...common, codec: 'raw', digests: digester.digestBlocks(raw), payload: raw };
}

function onlyStore(): MemoryStore {
  const [store] = stores;
  if (store === undefined || stores.length > 1) throw new Error(`${stores.length} stores`);
  return store;
}

test('writes reach the store in their order, compressed or not, and a mark is acknowledged after them', async () => {
  const { agent, answer } = await open();
  expect(answer).toMatchObject({ protocol: 1, fencingGeneration: 1, lastMark: null, lastCheckpoint: null });
  expect(answer.disks).toEqual([{ diskId: 'disk', diskIndex: 0, empty: true }]);
  const zstd = write(3, 2, 9);
  await agent.send({ ...zstd, codec: 'zstd', payload: zstdCompressSync(zstd.payload) });
  await agent.send(write(0));
  await agent.send({ type: 'zero', diskIndex: 0, firstBlock: 5, blockCount: 4 });
  await agent.send(write(10));
  await agent.send({ type: 'mark', markId: 1 });
  expect(await agent.receive()).toEqual({ type: 'markAck', markId: 1 });
  expect(onlyStore().calls).toEqual(['mark 0', 'write 0 3+2', 'write 0 0+1', 'zero 0 5+4', 'write 0 10+1', 'mark 1']);
  expect(onlyStore().data.get(0)?.get(3)).toEqual(zstd.payload);
});

test('a mark is not acknowledged while the store has not made it durable (R18)', async () => {
  const { agent } = await open();
  const gate = Promise.withResolvers<void>();
  let entered = false;
  onlyStore().before = (call) => {
    if (call !== 'mark 1') return Promise.resolve();
    entered = true;
    return gate.promise;
  };
  await agent.send({ type: 'mark', markId: 1 });
  await agent.send({ type: 'heartbeat' });
  // The answer to the heartbeat comes first: the mark is held up, the session is not.
  expect(await agent.receive()).toEqual({ type: 'heartbeat' });
  expect(entered).toBe(true);
  gate.resolve();
  expect(await agent.receive()).toEqual({ type: 'markAck', markId: 1 });
});

test('repeating a checkpoint id, also in a later session, returns the same point (R18)', async () => {
  const checkpoint: Frame = {
    type: 'checkpoint',
    checkpointId: 'c-1',
    markId: 1,
    consistency: 'crash',
    instantMicroseconds: 5,
    pauseMicroseconds: 0,
    requestId: '',
    traceparent: '',
  };
  const first = await open();
  await first.agent.send(checkpoint);
  const ack = { type: 'checkpointAck', checkpointId: 'c-1', markId: 1, sequence: 1 };
  expect(await first.agent.receive()).toEqual(ack);
  const second = await open();
  expect(second.answer.lastCheckpoint).toMatchObject({ checkpointId: 'c-1', sequence: 1 });
  expect(second.answer.lastMark).toEqual({ mapEpoch: 'epoch', markId: 1 });
  await second.agent.send(checkpoint);
  expect(await second.agent.receive()).toEqual(ack);
});

test('a hello of another map epoch is durable before its data, and the answer tells the mark from before (R18)', async () => {
  const first = await open();
  await first.agent.send({ type: 'mark', markId: 4 });
  await first.agent.receive();
  const same = await open();
  expect(same.answer.lastMark).toEqual({ mapEpoch: 'epoch', markId: 4 });
  const other = await open({ ...hello, mapEpoch: 'another' });
  expect(other.answer.lastMark).toEqual({ mapEpoch: 'epoch', markId: 4 });
  const back = await open();
  expect(back.answer.lastMark).toEqual({ mapEpoch: 'another', markId: 0 });
  expect(onlyStore().calls).toEqual(['mark 0', 'mark 4', 'mark 0', 'mark 0']);
});

test('data that does not match its digest never reaches the store (R9)', async () => {
  const { agent } = await open();
  const frame = write(0, 2);
  frame.payload[BLOCK_SIZE_BYTES + 7] = 2;
  await agent.send(frame);
  expect(await nextError(agent)).toMatchObject({
    code: 'PROTOCOL_VIOLATION',
    message: expect.stringContaining('digests'),
  });
  expect(onlyStore().calls).toEqual(['mark 0']);
});

test('a decompression bomb ends the session and touches no disk (R8)', async () => {
  const { agent } = await open();
  const payload = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
  await agent.send({ ...write(0), codec: 'zstd', payload });
  expect(await nextError(agent)).toMatchObject({
    code: 'PROTOCOL_VIOLATION',
    message: expect.stringContaining('payload'),
  });
  expect(onlyStore().calls).toEqual(['mark 0']);
});

test('data that decompresses to less than announced is refused (R8)', async () => {
  const { agent } = await open();
  await agent.send({ ...write(0), codec: 'zstd', payload: zstdCompressSync(Buffer.alloc(100)) });
  expect(await nextError(agent)).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  expect(onlyStore().calls).toEqual(['mark 0']);
});

const outOfRange: readonly (readonly [string, Frame])[] = [
  ['a write behind the end of the disk', { ...write(10), firstBlock: 11 }],
  ['a write across the end of the disk', { ...write(9, 2), firstBlock: 10 }],
  ['a write at the end of 2^32 blocks', { ...write(9), firstBlock: 2 ** 32 - 1 }],
  ['a short write where the disk has a whole block', { ...write(10), firstBlock: 9 }],
  ['a write to a disk that the session does not have', { ...write(0), diskIndex: 1 }],
  ['zeros across the end of the disk', { type: 'zero', diskIndex: 0, firstBlock: 10, blockCount: 2 }],
  ['digests of blocks that do not exist', { type: 'digestRequest', diskIndex: 0, firstBlock: 0, blockCount: 12 }],
  ['an answer that only servers send', { type: 'markAck', markId: 1 }],
  ['a second hello', hello],
];

for (const [what, frame] of outOfRange) {
  test(`${what} ends the session with an error, and touches no disk (R8)`, async () => {
    const { agent } = await open();
    await agent.send(frame);
    expect(await nextError(agent)).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    expect(onlyStore().calls).toEqual(['mark 0']);
  });
}

test('a newer session fences the older: not even frames that had arrived reach the store (R11)', async () => {
  const first = await open();
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  onlyStore().before = (call) => {
    if (call !== 'write 0 0+1') return Promise.resolve();
    entered.resolve();
    return gate.promise;
  };
  await first.agent.send(write(0));
  await first.agent.send(write(1));
  await first.agent.send({ type: 'mark', markId: 1 });
  await entered.promise;
  const second = connect();
  await second.agent.send(hello);
  expect(await nextError(first.agent)).toMatchObject({ code: 'FENCED' });
  // The new session has to wait for the call under way, and no other of the old one follows it.
  gate.resolve();
  expect(await second.agent.receive()).toMatchObject({ type: 'helloAnswer', fencingGeneration: 2 });
  await second.agent.send({ type: 'mark', markId: 2 });
  expect(await second.agent.receive()).toEqual({ type: 'markAck', markId: 2 });
  expect(onlyStore().calls).toEqual(['mark 0', 'write 0 0+1', 'mark 2']);
  await first.ended;
  expect(ends[0]?.code).toBe('FENCED');
});

test('a full store ends the session, refuses the next while there is no room, and goes on by itself after that', async () => {
  const first = await open();
  onlyStore().before = () => Promise.reject(new LmsError('STAGING_FULL', 'full'));
  await first.agent.send(write(0));
  expect(await nextError(first.agent)).toMatchObject({ code: 'STAGING_FULL' });
  await first.ended;
  room = false;
  expect(await refusal(hello)).toMatchObject({ code: 'STAGING_FULL' });
  expect(replicas.replica(MACHINE).statistics()).toMatchObject({ stallCause: 'STAGING_FULL', session: 'absent' });
  room = true;
  onlyStore().before = () => Promise.resolve();
  const second = await open();
  await second.agent.send({ type: 'mark', markId: 1 });
  expect(await second.agent.receive()).toEqual({ type: 'markAck', markId: 1 });
  expect(replicas.replica(MACHINE).statistics()).toMatchObject({ stallCause: null, session: 'connected' });
});

test('a store whose fsync failed is closed, and the next session gets one that was opened anew (R14)', async () => {
  const first = await open();
  const [store] = stores;
  onlyStore().before = () => Promise.reject(Object.assign(new Error('fsync: EIO'), { code: 'EIO' }));
  await first.agent.send({ type: 'mark', markId: 1 });
  expect(await nextError(first.agent)).toMatchObject({ code: 'INTERNAL' });
  await first.ended;
  expect(store?.closed).toBe(true);
  expect(warnings).toHaveLength(1);
  await open();
  expect(stores).toHaveLength(2);
});

test('a store that failed in an fsync for want of space is closed too, though it says STAGING_FULL (R14)', async () => {
  const first = await open();
  const store = onlyStore();
  const poison = new LmsError('STAGING_FULL', 'fsync failed: no space left');
  store.before = () => Promise.reject(poison);
  store.digests = () => Promise.reject(poison);
  await first.agent.send({ type: 'mark', markId: 1 });
  expect(await nextError(first.agent)).toMatchObject({ code: 'STAGING_FULL' });
  await first.ended;
  expect(store.closed).toBe(true);
  await open();
  expect(stores).toHaveLength(2);
});

test('staging on a disk that is replicated is refused on the same boot only (R17)', async () => {
  expect(await refusal({ ...hello, bootId: 'boot-a' })).toMatchObject({ code: 'STAGING_ON_SOURCE' });
  await open({ ...hello, bootId: 'boot-a', wholeDiskNumbers: [9 * 2 ** 20] });
});

test('a machine that is not assigned is refused, and cut when its assignment ends', async () => {
  assigned = false;
  const { agent } = connect();
  expect(await nextError(agent)).toMatchObject({ code: 'PERMISSION_DENIED' });
  assigned = true;
  const session = await open();
  assigned = false;
  await replicas.closeUnassigned();
  expect(await nextError(session.agent)).toMatchObject({ code: 'PERMISSION_DENIED' });
  expect(onlyStore().closed).toBe(true);
});

test('a first frame that is not HELLO, and a protocol that we do not speak, are refused', async () => {
  expect(await refusal({ type: 'mark', markId: 1 })).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  expect(await refusal({ ...hello, protocolMinimum: 2, protocolMaximum: 3 })).toMatchObject({ code: 'UNSUPPORTED' });
  expect(stores).toEqual([]);
});

test('closing finishes the store call under way and tells the agent that it may come back', async () => {
  const { agent } = await open();
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  onlyStore().before = () => {
    entered.resolve();
    return gate.promise;
  };
  await agent.send(write(0));
  await entered.promise;
  const closing = replicas.close();
  expect(await nextError(agent)).toMatchObject({ code: 'UNAVAILABLE' });
  expect(onlyStore().closed).toBe(false);
  gate.resolve();
  await closing;
  expect(onlyStore().calls).toEqual(['mark 0', 'write 0 0+1']);
  expect(onlyStore().closed).toBe(true);
});

test('a removed machine: its session ends with REMOVED and its store is closed; one whose point is read keeps its store', async () => {
  const { agent, ended } = await open();
  const [store] = stores;
  if (store === undefined) throw new Error('no store was opened');
  assigned = false;
  let read = true;
  store.isRead = () => read;
  expect(await replicas.release(MACHINE)).toBe(false);
  expect(await nextError(agent)).toMatchObject({ code: 'REMOVED' });
  await ended;
  await replicas.closeUnassigned(new Set([MACHINE]));
  expect(store.closed).toBe(false);
  read = false;
  expect(await replicas.release(MACHINE)).toBe(true);
  expect(store.closed).toBe(true);
  expect((await refusal(hello)).code).toBe('PERMISSION_DENIED');
});
