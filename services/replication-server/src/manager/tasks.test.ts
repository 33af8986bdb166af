import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssignmentsAnswer } from '@lms/api';
import type { ReplicationTask, TaskResult } from '@lms/api';
import { BLOCK_SIZE_BYTES, createDigester } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import { createMemoryStore } from '../../test/memory-store.ts';
import type { MemoryStore } from '../../test/memory-store.ts';
import { ExportHolds } from './export-holds.ts';
import { Tasks } from './tasks.ts';

const SIZE_BYTES = 40 * BLOCK_SIZE_BYTES + 512;
const image = randomBytes(SIZE_BYTES).fill(0, 16 * BLOCK_SIZE_BYTES, 32 * BLOCK_SIZE_BYTES);
const disks = [{ diskId: 'd', diskIndex: 0, device: '/dev/sda', sizeBytes: SIZE_BYTES }];

let store: MemoryStore;
let results: Map<string, TaskResult>;
let refusals: LmsError[];
let uploaded: Buffer[];
let readOffsets: number[];
let closedReaders: number;
let changed: string[];
let ending: AbortController;
let tasks: Tasks;
let receiptOf: (body: Buffer) => string;
let folder: string;
let holds: ExportHolds;
let kept: number[];

beforeEach(() => {
  results = new Map();
  refusals = [];
  uploaded = [];
  readOffsets = [];
  closedReaders = 0;
  changed = [];
  ending = new AbortController();
  receiptOf = (body) => createHash('sha256').update(body).digest('hex');
  store = createMemoryStore();
  folder = mkdtempSync(join(tmpdir(), 'lms-tasks-'));
  holds = new ExportHolds({ file: join(folder, 'exports.json'), onFailure: (error) => refusals.push(error) });
  kept = [];
  store.keepPoint = (sequence) => {
    kept.push(sequence);
    return () => {
      kept = kept.filter((other) => other !== sequence);
    };
  };
  const digests = createDigester(store.digestKey).digestBlocks(image);
  store.openPoint = (sequence) =>
    Promise.resolve({
      point: {
        sequence,
        checkpointId: 'c',
        requestId: '',
        consistency: 'crash',
        instantMicroseconds: 1,
        pauseMicroseconds: 0,
        pinned: false,
        disks,
      },
      read: (_disk, offsetBytes, target) => {
        readOffsets.push(offsetBytes / BLOCK_SIZE_BYTES);
        target.set(image.subarray(offsetBytes, offsetBytes + target.byteLength));
        return Promise.resolve();
      },
      digests: (_disk, firstBlock, blockCount) =>
        Promise.resolve(digests.subarray(firstBlock * 16, (firstBlock + blockCount) * 16)),
      close: () => {
        closedReaders += 1;
        return Promise.resolve();
      },
    });
  tasks = new Tasks({
    api: {
      taskResult: (id, result) => {
        const refusal = refusals.shift();
        if (refusal !== undefined) return Promise.reject(refusal);
        results.set(id, result);
        return Promise.resolve();
      },
      uploadExport: async (_id, _size, body) => {
        const parts: Uint8Array[] = [];
        for await (const part of body) parts.push(part);
        const whole = Buffer.concat(parts);
        uploaded.push(whole);
        return { sizeBytes: whole.byteLength, sha256: receiptOf(whole) };
      },
    },
    store: () => Promise.resolve(store),
    holds,
    onPointsChanged: (machineId) => changed.push(machineId),
    onFinished: () => undefined,
    signal: ending.signal,
  });
});
afterEach(async () => {
  ending.abort();
  holds[Symbol.dispose]();
  await holds.idle();
  rmSync(folder, { recursive: true });
});

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

function task(kind: ReplicationTask['kind'], id: string, diskId = 'd'): ReplicationTask {
  return { id, kind, machineId: 'm', sequence: 1, diskId };
}

test('an export sends the disk bit for bit, does not read its holes, and gives its reader back', async () => {
  tasks.update([task('export', 'e')]);
  await tasks.idle();
  expect(results.get('e')).toEqual({ state: 'succeeded', sha256: sha256(image) });
  expect(uploaded[0]?.equals(image)).toBe(true);
  expect(readOffsets).toEqual([0, 32]);
  expect(closedReaders).toBe(1);
});

test('an export fails when the manager received other bytes, when there is no such disk, and when reading fails', async () => {
  receiptOf = () => 'ff'.repeat(32);
  tasks.update([task('export', 'other-bytes'), task('export', 'no-disk', 'x')]);
  await tasks.idle();
  expect(results.get('other-bytes')).toMatchObject({ state: 'failed', code: 'DATA_LOSS' });
  expect(results.get('no-disk')).toMatchObject({ state: 'failed', code: 'NOT_FOUND' });
  expect(closedReaders).toBe(2);
});

test('a part is sent as it was asked for, and the end of a disk brings the SHA-256 of the whole', async () => {
  const offsets = [0, 1, 65_536, 1_048_577, 17 * BLOCK_SIZE_BYTES + 3, SIZE_BYTES - 1, SIZE_BYTES];
  for (const offsetBytes of offsets) {
    const id = `from-${offsetBytes}`;
    tasks.update([{ ...task('export', id), checkpointId: 'c', offsetBytes }]);
    await tasks.idle();
    expect(results.get(id)).toEqual({ state: 'succeeded', sha256: sha256(image) });
    expect(uploaded.at(-1)?.equals(image.subarray(offsetBytes))).toBe(true);
  }
  tasks.update([{ ...task('export', 'middle'), offsetBytes: 1_000, lengthBytes: 2_000_000 }]);
  await tasks.idle();
  expect(results.get('middle')).toEqual({ state: 'succeeded' });
  expect(uploaded.at(-1)?.equals(image.subarray(1_000, 2_001_000))).toBe(true);
});

test('a part of another point than the one meant, or behind the end, is refused', async () => {
  tasks.update([{ ...task('export', 'other'), checkpointId: 'before' }]);
  tasks.update([{ ...task('export', 'behind'), offsetBytes: SIZE_BYTES, lengthBytes: 1 }]);
  await tasks.idle();
  expect(results.get('other')).toMatchObject({ state: 'failed', code: 'NOT_FOUND' });
  expect(results.get('behind')).toMatchObject({ state: 'failed', code: 'INVALID_ARGUMENT' });
  expect(uploaded).toEqual([]);
});

test('a rotten block is not sent: the export fails, and says where', async () => {
  const openPoint = store.openPoint.bind(store);
  store.openPoint = async (sequence) => {
    const reader = await openPoint(sequence);
    return {
      ...reader,
      read: async (disk, offsetBytes, target) => {
        await reader.read(disk, offsetBytes, target);
        if (offsetBytes === 32 * BLOCK_SIZE_BYTES) target.fill(0, 5 * BLOCK_SIZE_BYTES, 5 * BLOCK_SIZE_BYTES + 9);
      },
    };
  };
  tasks.update([task('export', 'e')]);
  await tasks.idle();
  expect(results.get('e')).toMatchObject({ code: 'DATA_LOSS', message: expect.stringContaining(`${37 * 65_536}`) });
});

test('a point whose export broke off is kept until somebody deletes it; one whose export ended is not', async () => {
  receiptOf = () => 'ff'.repeat(32);
  tasks.update([task('export', 'broken')]);
  await tasks.idle();
  expect(kept).toEqual([1]);
  receiptOf = sha256;
  store.deletePoint = () => {
    expect(kept).toEqual([]);
    return Promise.resolve();
  };
  tasks.update([task('delete', 'gone')]);
  await tasks.idle();
  expect(results.get('gone')).toEqual({ state: 'succeeded' });
  tasks.update([task('export', 'whole')]);
  await tasks.idle();
  expect([results.get('whole')?.state, kept]).toEqual(['succeeded', []]);
});

test('a task runs once however often it is listed, and its result is repeated until it was taken', async () => {
  let runs = 0;
  store.deletePoint = () => {
    runs += 1;
    return Promise.resolve();
  };
  refusals = [new LmsError('UNAVAILABLE', 'away')];
  tasks.update([task('delete', 'a')]);
  tasks.update([task('delete', 'a')]);
  await tasks.idle();
  tasks.update([task('delete', 'a')]);
  await tasks.idle();
  expect(runs).toBe(1);
  expect(results.get('a')).toEqual({ state: 'succeeded' });
  expect(changed).toEqual(['m']);
});

test('deleting a point that is gone already is done; the newest is refused with its reason', async () => {
  store.deletePoint = () => Promise.reject(new LmsError('NOT_FOUND', 'no such point'));
  tasks.update([task('delete', 'a')]);
  await tasks.idle();
  expect(results.get('a')).toEqual({ state: 'succeeded' });
  store.deletePoint = () => Promise.reject(new LmsError('FAILED_PRECONDITION', 'it is the newest'));
  tasks.update([task('delete', 'b')]);
  await tasks.idle();
  expect(results.get('b')).toEqual({ state: 'failed', code: 'FAILED_PRECONDITION', message: 'it is the newest' });
});

test('a task of which only a newer manager knows is refused, and the others are done', async () => {
  store.deletePoint = () => Promise.resolve();
  const machineId = `m-${'0'.repeat(20)}`;
  const { tasks: listed } = AssignmentsAnswer.parse({
    revision: '1.1',
    machines: [],
    tasks: [
      { ...task('delete', 'aaaaaaaa'), machineId, kind: 'defragment' },
      { ...task('delete', 'bbbbbbbb'), machineId },
    ],
  });
  tasks.update(listed);
  await tasks.idle();
  expect(results.get('aaaaaaaa')).toMatchObject({ state: 'failed', code: 'UNSUPPORTED' });
  expect(results.get('bbbbbbbb')).toEqual({ state: 'succeeded' });
});

test('verifies run one after another, and a stop ends the one under way without a result', async () => {
  let atOnce = 0;
  let most = 0;
  store.verifyPoint = (sequence) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    return Promise.resolve().then(() => {
      atOnce -= 1;
      return { sequence, blocksChecked: 1, mismatches: [], mismatchedBlocks: 0, sha256: { d: 'ab'.repeat(32) } };
    });
  };
  tasks.update([task('verify', 'a'), task('verify', 'b'), task('verify', 'c')]);
  for (const id of ['a', 'b', 'c']) {
    await tasks.idle();
    expect(results.has(id)).toBe(true);
  }
  expect(most).toBe(1);
  store.verifyPoint = (_sequence, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new LmsError('CANCELLED', 'stopped')), { once: true });
    });
  tasks.update([task('verify', 'd')]);
  await Promise.resolve();
  ending.abort();
  await tasks.idle();
  expect(results.has('d')).toBe(false);
});

test('a point is pinned and let go, the manager hears of both, and a point that is gone cannot be pinned', async () => {
  const pins: [number, boolean][] = [];
  store.pinPoint = (sequence, pinned) => {
    if (pins.length === 2) return Promise.reject(new LmsError('NOT_FOUND', 'no such point'));
    pins.push([sequence, pinned]);
    return Promise.resolve();
  };
  for (const [kind, id] of [
    ['pin', 'a'],
    ['unpin', 'b'],
    ['pin', 'c'],
  ] as const) {
    tasks.update([task(kind, id)]);
    await tasks.idle();
  }
  expect(pins).toEqual([
    [1, true],
    [1, false],
  ]);
  expect(changed).toEqual(['m', 'm']);
  expect(results.get('b')).toEqual({ state: 'succeeded' });
  expect(results.get('c')).toMatchObject({ state: 'failed', code: 'NOT_FOUND' });
});
