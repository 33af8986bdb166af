/** One suite that both forms pass, on the simulated and on real file systems. */
import { BLOCK_SIZE_BYTES, createDigester } from '@lms/block-stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { openStagingStore } from './open-staging-store.ts';
import type { CheckpointRequest, StagingDisk, StagingStore } from './staging-store.ts';
import { EVEN_DISK, SHORT_DISK, blocksOf, diskContent, readPoint, writeBlocks } from './test-support/source-disks.ts';
import { STORE_PLACES } from './test-support/store-places.ts';

const NO_SIGNAL = new AbortController().signal;
const UNKNOWN = Buffer.alloc(16);

function request(checkpointId: string, markId: number, instantSeconds = markId): CheckpointRequest {
  return {
    checkpointId,
    mapEpoch: 'epoch-1',
    markId,
    consistency: 'crash',
    instantMicroseconds: instantSeconds * 1e6,
    pauseMicroseconds: 5,
    requestId: '',
  };
}

describe.each(STORE_PLACES)('$name', (place) => {
  let folder: Awaited<ReturnType<typeof place.create>>;
  let store: StagingStore;
  let first: StagingDisk;
  let second: StagingDisk;

  const reopen = async (): Promise<void> => {
    await store.close();
    store = await openStagingStore({ fileSystem: await folder.mount(), floorBytes: 0 });
  };
  const ensure = async (): Promise<readonly boolean[]> => {
    const found = await store.ensureDisks([SHORT_DISK, EVEN_DISK]);
    const [one, two] = found.map(({ disk }) => disk);
    if (one === undefined || two === undefined) throw new Error('two disks were asked for');
    [first, second] = [one, two];
    return found.map(({ empty }) => empty);
  };
  const fill = async (version: number): Promise<void> => {
    await writeBlocks(store, first, 0, versions(first, version));
    await writeBlocks(store, second, 0, versions(second, version));
  };
  const versions = (disk: StagingDisk, version: number): number[] =>
    Array.from({ length: blocksOf(disk) }, () => version);

  beforeEach(async () => {
    folder = await place.create();
    store = await openStagingStore({ fileSystem: await folder.mount(), floorBytes: 0 });
    await ensure();
  });

  afterEach(async () => {
    try {
      await store.close();
    } finally {
      await folder.remove();
    }
  });

  test('chooses its form by what the file system can, and keeps it and the digest key', async () => {
    expect(store.form).toBe(place.form);
    const { digestKey } = store;
    await reopen();
    expect(store.form).toBe(place.form);
    expect(Buffer.from(store.digestKey)).toEqual(Buffer.from(digestKey));
    expect(store.disks()).toEqual([first, second]);
  });

  test('a new disk is empty until something of it was written', async () => {
    expect(await ensure()).toEqual([true, true]);
    await store.zero(1, 0, 1);
    expect(await ensure()).toEqual([true, false]);
  });

  test('a disk whose size changed is refused, and nothing of the others changes', async () => {
    await expect(store.ensureDisks([SHORT_DISK, { ...EVEN_DISK, sizeBytes: 65_536 }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(store.disks()).toEqual([first, second]);
  });

  test('ranges outside a disk and data of a wrong length are refused', async () => {
    const data = new Uint8Array(BLOCK_SIZE_BYTES);
    await expect(store.write(0, 6, 1, data, new Uint8Array(16))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.write(0, 5, 1, data, new Uint8Array(16))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.write(2, 0, 1, data, new Uint8Array(16))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.zero(0, 0, 7)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('digests are those of the writes before, zeros where nothing was sent, and those of zeros for zero blocks', async () => {
    const digester = createDigester(store.digestKey);
    await writeBlocks(store, first, 1, [3, 4]);
    await store.zero(0, 4, 2);
    const digests = Buffer.from(await store.digests(0, 0, 6));
    expect(digests.subarray(0, 16)).toEqual(UNKNOWN);
    const content = diskContent(first, [0, 3, 4, 0, 0, 0]);
    const expected = Buffer.from(digester.digestBlocks(content));
    expect(digests.subarray(16, 48)).toEqual(expected.subarray(16, 48));
    expect(digests.subarray(48, 64)).toEqual(UNKNOWN);
    expect(digests.subarray(64)).toEqual(expected.subarray(64));
  });

  test('a disk with blocks that nobody sent makes no point (R15)', async () => {
    await fill(1);
    await store.ensureDisks([SHORT_DISK, EVEN_DISK, { ...EVEN_DISK, diskId: 'serial-c' }]);
    await expect(store.checkpoint(request('c1', 1))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(store.points()).toEqual([]);
    await store.zero(2, 0, 4);
    expect((await store.checkpoint(request('c1', 1))).disks).toHaveLength(3);
  });

  test('a pinned point survives retention and reopening, and cannot be deleted until it is let go', async () => {
    await fill(1);
    for (const markId of [1, 2, 3, 4]) {
      await writeBlocks(store, first, markId, [markId]);
      await store.checkpoint(request(`c${markId}`, markId));
    }
    const pinned = (): number[] => store.points().flatMap(({ sequence, pinned: is }) => (is ? [sequence] : []));
    await store.pinPoint(2, true);
    await store.pinPoint(2, true);
    expect(await store.applyRetention([], 1e12)).toEqual([1, 3]);
    await expect(store.deletePoint(2)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await reopen();
    expect(pinned()).toEqual([2]);
    // What the journal merges into the base and compacts beside it belongs to other points.
    await writeBlocks(store, first, 0, [5]);
    await store.checkpoint(request('c5', 5));
    expect(await store.applyRetention([], 1e12)).toEqual([4]);
    expect(await readPoint(store, 2, 0)).toEqual(diskContent(first, [1, 1, 2, 1, 1, 1]));
    await store.pinPoint(2, false);
    await reopen();
    expect(pinned()).toEqual([]);
    await store.deletePoint(2);
    expect(store.points().map(({ sequence }) => sequence)).toEqual([5]);
    await expect(store.pinPoint(2, true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('every point keeps its content while writes, zeros and other points go on, and after reopening', async () => {
    const digester = createDigester(store.digestKey);
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await writeBlocks(store, first, 2, [2, 2]);
    await store.zero(1, 1, 2);
    await store.checkpoint(request('c2', 2));
    await store.checkpoint(request('c3', 3));
    await writeBlocks(store, first, 5, [4]);
    await writeBlocks(store, second, 1, [4]);
    await store.checkpoint(request('c4', 4));
    await fill(5);
    const expected = [
      [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1],
      ],
      [
        [1, 1, 2, 2, 1, 1],
        [1, 0, 0, 1],
      ],
      [
        [1, 1, 2, 2, 1, 1],
        [1, 0, 0, 1],
      ],
      [
        [1, 1, 2, 2, 1, 4],
        [1, 4, 0, 1],
      ],
    ];
    const check = async (): Promise<void> => {
      expect(store.points().map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
      for (const [index, [one = [], two = []]] of expected.entries()) {
        expect((await readPoint(store, index + 1, 0)).equals(diskContent(first, one))).toBe(true);
        expect((await readPoint(store, index + 1, 1)).equals(diskContent(second, two))).toBe(true);
        const reader = await store.openPoint(index + 1);
        expect(Buffer.from(await reader.digests(1, 1, 3))).toEqual(
          Buffer.from(digester.digestBlocks(diskContent(second, two))).subarray(16),
        );
        await reader.close();
      }
    };
    await check();
    await reopen();
    await check();
  });

  test('a point is read at any offset and length', async () => {
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await writeBlocks(store, first, 1, [2]);
    await writeBlocks(store, first, 3, [2, 2, 2]);
    await store.zero(0, 2, 1);
    await store.checkpoint(request('c2', 2));
    const whole = diskContent(first, [1, 2, 0, 2, 2, 2]);
    const reader = await store.openPoint(2);
    for (const [start, length] of [
      [0, 1],
      [65_535, 2],
      [1000, 200_000],
      [131_000, 66_000],
      [first.sizeBytes - 10, 10],
    ]) {
      const target = new Uint8Array(length ?? 0).fill(9);
      await reader.read(0, start ?? 0, target);
      expect(Buffer.from(target).equals(whole.subarray(start, (start ?? 0) + (length ?? 0)))).toBe(true);
    }
    await expect(reader.read(0, first.sizeBytes - 1, new Uint8Array(2))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await reader.close();
  });

  test('repeating a checkpoint returns the same point, also after reopening (R18)', async () => {
    await fill(1);
    const point = await store.checkpoint(request('c1', 7));
    expect(await store.checkpoint(request('c1', 7))).toEqual(point);
    await reopen();
    expect(await store.checkpoint(request('c1', 7))).toEqual(point);
    expect(store.lastCheckpoint()).toEqual({ checkpointId: 'c1', sequence: 1 });
    expect(store.points()).toEqual([point]);
  });

  test('the last mark is that of the last mark or checkpoint, also after reopening (R18)', async () => {
    expect(store.lastMark()).toBeNull();
    await fill(1);
    await store.mark('epoch-1', 3);
    await reopen();
    expect(store.lastMark()).toEqual({ mapEpoch: 'epoch-1', markId: 3 });
    await store.checkpoint(request('c1', 4));
    await reopen();
    expect(store.lastMark()).toEqual({ mapEpoch: 'epoch-1', markId: 4 });
    await writeBlocks(store, first, 0, [2]);
    await store.mark('epoch-2', 1);
    await reopen();
    expect(store.lastMark()).toEqual({ mapEpoch: 'epoch-2', markId: 1 });
    const digests = Buffer.from(await store.digests(0, 0, 1));
    expect(digests).toEqual(Buffer.from(createDigester(store.digestKey).digestBlocks(diskContent(first, [2]))));
  });

  test('the newest point and one in use cannot be deleted, and retention leaves them', async () => {
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await fill(2);
    await store.checkpoint(request('c2', 2));
    await expect(store.deletePoint(2)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(store.deletePoint(3)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(store.isRead()).toBe(false);
    const reader = await store.openPoint(1);
    expect(store.isRead()).toBe(true);
    await expect(store.deletePoint(1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await store.applyRetention([], 10e6)).toEqual([]);
    await reader.close();
    await reader.close();
    expect(store.isRead()).toBe(false);
    expect(await store.applyRetention([], 10e6)).toEqual([1]);
    expect(store.points().map(({ sequence }) => sequence)).toEqual([2]);
  });

  test('points that stay are the same bit for bit when any other is deleted, and their bytes are given back', async () => {
    const history = new Map<number, readonly [number[], number[]]>();
    const now: [number[], number[]] = [versions(first, 1), versions(second, 1)];
    await fill(1);
    for (let turn = 1; turn <= 8; turn += 1) {
      const block = (turn * 3) % 4;
      await writeBlocks(store, first, block, [turn + 1, turn + 1]);
      now[0][block] = now[0][block + 1] = turn + 1;
      await store.zero(1, turn % 4, 1);
      now[1][turn % 4] = 0;
      await store.checkpoint(request(`c${turn}`, turn));
      history.set(turn, [[...now[0]], [...now[1]]]);
    }
    const used = await store.usedBytes();
    const check = async (): Promise<void> => {
      expect(store.points().map(({ sequence }) => sequence)).toEqual([...history.keys()]);
      for (const [sequence, [one, two]] of history) {
        expect((await readPoint(store, sequence, 0)).equals(diskContent(first, one))).toBe(true);
        expect((await readPoint(store, sequence, 1)).equals(diskContent(second, two))).toBe(true);
      }
    };
    for (const gone of [4, 1, 6, 5, 2]) {
      await store.deletePoint(gone);
      history.delete(gone);
      await check();
    }
    await reopen();
    await check();
    await writeBlocks(store, first, 0, [99]);
    await store.checkpoint(request('c9', 9));
    now[0][0] = 99;
    history.set(9, now);
    for (const gone of [3, 7, 8]) {
      await store.deletePoint(gone);
      history.delete(gone);
    }
    await check();
    expect(await store.usedBytes()).toBeLessThan(used);
  });

  test('a reader sees its point unchanged while others are deleted and merged beside it', async () => {
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await writeBlocks(store, first, 0, [2]);
    await store.checkpoint(request('c2', 2));
    await writeBlocks(store, first, 1, [3]);
    await store.checkpoint(request('c3', 3));
    const reader = await store.openPoint(2);
    await store.deletePoint(1);
    await fill(4);
    await store.checkpoint(request('c4', 4));
    await store.deletePoint(3);
    const content = Buffer.alloc(first.sizeBytes);
    await reader.read(0, 0, content);
    expect(content.equals(diskContent(first, [2, 1, 1, 1, 1, 1]))).toBe(true);
    await reader.close();
    await store.deletePoint(2);
    expect((await readPoint(store, 4, 0)).equals(diskContent(first, versions(first, 4)))).toBe(true);
  });

  test('verify finds every block equal to its digest and tells the SHA-256 of each whole raw disk', async () => {
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await writeBlocks(store, first, 5, [2]);
    await store.checkpoint(request('c2', 2));
    const report = await store.verifyPoint(2, NO_SIGNAL);
    const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
    expect(report).toEqual({
      sequence: 2,
      blocksChecked: 10,
      mismatches: [],
      mismatchedBlocks: 0,
      sha256: {
        'serial-a': sha256(diskContent(first, [1, 1, 1, 1, 1, 2])),
        'serial-b': sha256(diskContent(second, versions(second, 1))),
      },
    });
    await expect(store.verifyPoint(2, AbortSignal.abort())).rejects.toThrow('abort');
  });

  test('a machine may lose and gain disks, and its older points keep the disks that they had', async () => {
    await fill(1);
    await store.checkpoint(request('c1', 1));
    await store.ensureDisks([EVEN_DISK]);
    await writeBlocks(store, { ...second, diskIndex: 0 }, 0, [2]);
    await store.checkpoint(request('c2', 2));
    const again = await store.ensureDisks([EVEN_DISK, SHORT_DISK]);
    expect(again.map(({ empty }) => empty)).toEqual([false, true]);
    await writeBlocks(store, { ...first, diskIndex: 1 }, 0, versions(first, 3));
    await store.checkpoint(request('c3', 3));
    const check = async (): Promise<void> => {
      expect((await readPoint(store, 2, 0)).equals(diskContent(second, [2, 1, 1, 1]))).toBe(true);
      expect((await readPoint(store, 3, 0)).equals(diskContent(second, [2, 1, 1, 1]))).toBe(true);
      expect((await readPoint(store, 3, 1)).equals(diskContent(first, versions(first, 3)))).toBe(true);
    };
    expect((await readPoint(store, 1, 0)).equals(diskContent(first, versions(first, 1)))).toBe(true);
    await check();
    await store.deletePoint(1);
    await check();
    await reopen();
    await check();
    await store.deletePoint(2);
    expect((await readPoint(store, 3, 1)).equals(diskContent(first, versions(first, 3)))).toBe(true);
  });

  test('a closed store refuses everything', async () => {
    await store.close();
    await expect(store.zero(0, 0, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(store.openPoint(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
