/** What the store does when the disk below it fails, fills up or rots (R12, R14, R15). */
import { BLOCK_SIZE_BYTES, createDigester } from '@lms/block-stream';
import { describe, expect, test } from '@jest/globals';
import { openStagingStore } from './open-staging-store.ts';
import type { Verdict } from './simulated/index.ts';
import { SimulatedFileSystem, simulatedError } from './simulated/index.ts';
import type { CheckpointRequest, StagingDisk, StagingStore } from './staging-store.ts';
import { SHORT_DISK, diskContent, readPoint, seeded, writeBlocks } from './test-support/source-disks.ts';

const MEBIBYTE = 1024 * 1024;
const NO_SIGNAL = new AbortController().signal;
const ONES = [1, 1, 1, 1, 1, 1];

function request(checkpointId: string): CheckpointRequest {
  const common = { mapEpoch: 'epoch', consistency: 'crash', instantMicroseconds: 0, pauseMicroseconds: 0 } as const;
  return { ...common, checkpointId, markId: 1, requestId: '' };
}

describe.each(['reflink', 'journal'] as const)('%s', (form) => {
  async function open(
    system: SimulatedFileSystem,
    floorBytes = 0,
  ): Promise<{ store: StagingStore; disk: StagingDisk }> {
    const store = await openStagingStore({ fileSystem: system.mount(), floorBytes });
    const [found] = await store.ensureDisks([SHORT_DISK]);
    if (found === undefined) throw new Error('a disk was asked for');
    return { store, disk: found.disk };
  }

  test('after a failed fsync every call fails with the same error until the store is opened anew (R14)', async () => {
    let verdict: Verdict = 'proceed';
    const system = new SimulatedFileSystem({
      random: seeded(1),
      canClone: form === 'reflink',
      onOperation: ({ kind }) => (kind === 'sync' ? verdict : 'proceed'),
    });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    await store.mark('epoch', 1);
    await writeBlocks(store, disk, 0, [2]);
    verdict = simulatedError('EIO', 'medium error');
    const error: unknown = await store.checkpoint(request('c1')).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: expect.stringContaining('fsync') });
    verdict = 'proceed';
    const calls = [
      () => store.mark('epoch', 2),
      () => store.write(0, 0, 1, new Uint8Array(BLOCK_SIZE_BYTES), new Uint8Array(16)),
      () => store.zero(0, 0, 1),
      () => store.digests(0, 0, 1),
      () => store.checkpoint(request('c1')),
      () => store.applyRetention([], 0),
      () => store.openPoint(1),
    ];
    for (const call of calls) await expect(call()).rejects.toBe(error);
    await store.close();
    const again = await open(system);
    expect(again.store.lastMark()).toEqual({ mapEpoch: 'epoch', markId: 1 });
    expect(again.store.points()).toEqual([]);
  });

  test('a block that only the cache has after a failed fsync is not vouched for (R15)', async () => {
    let verdict: Verdict = 'proceed';
    const system = new SimulatedFileSystem({
      random: seeded(2),
      canClone: form === 'reflink',
      onOperation: ({ step }) => (step === 'replica.image' ? verdict : 'proceed'),
    });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    verdict = simulatedError('EIO', 'medium error');
    await expect(store.mark('epoch', 1)).rejects.toThrow('EIO');
    verdict = 'proceed';
    await store.close();
    system.kill();
    const again = await open(system);
    const digests = Buffer.from(await again.store.digests(0, 0, 6));
    const actual = Buffer.from(createDigester(again.store.digestKey).digestBlocks(diskContent(disk, ONES)));
    await again.store.mark('epoch', 1);
    const vouched = [0, 1, 2, 3, 4, 5].filter((block) =>
      digests.subarray(block * 16, block * 16 + 16).equals(actual.subarray(block * 16, block * 16 + 16)),
    );
    // What it vouched for is not sent again: so it must be there after a power cut.
    await again.store.close();
    system.powerCut();
    const last = await open(system);
    const after = Buffer.from(await last.store.digests(0, 0, 6));
    for (const block of vouched) {
      expect(after.subarray(block * 16, block * 16 + 16)).toEqual(actual.subarray(block * 16, block * 16 + 16));
    }
  });

  test('at the floor of free space writes and points are refused, what is there stays, and it goes on when there is room', async () => {
    const system = new SimulatedFileSystem({
      random: seeded(3),
      canClone: form === 'reflink',
      capacityBytes: 4 * MEBIBYTE,
    });
    const { store, disk } = await open(system, MEBIBYTE);
    await writeBlocks(store, disk, 0, ONES);
    await store.checkpoint(request('c1'));
    let version = 1;
    const fill = async (): Promise<void> => {
      for (;;) {
        version += 1;
        await writeBlocks(
          store,
          disk,
          0,
          ONES.map(() => version),
        );
        await store.checkpoint(request(`c${version}`));
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'STAGING_FULL' });
    const { freeBytes } = await system.mount().space();
    expect(freeBytes).toBeGreaterThanOrEqual(MEBIBYTE - 128 * 1024);
    const again = await open(system, MEBIBYTE);
    expect((await readPoint(again.store, 1, 0)).equals(diskContent(disk, ONES))).toBe(true);
    system.capacityBytes = 64 * MEBIBYTE;
    await writeBlocks(
      again.store,
      disk,
      0,
      ONES.map(() => 99),
    );
    const point = await again.store.checkpoint(request('room'));
    expect(
      (await readPoint(again.store, point.sequence, 0)).equals(
        diskContent(
          disk,
          ONES.map(() => 99),
        ),
      ),
    ).toBe(true);
  });

  test('ENOSPC from the file system itself is STAGING_FULL, and the same calls work afterwards', async () => {
    let isFull = false;
    const system = new SimulatedFileSystem({
      random: seeded(4),
      canClone: form === 'reflink',
      onOperation: ({ kind }) =>
        isFull && (kind === 'write' || kind === 'clone') ? simulatedError('ENOSPC', kind) : 'proceed',
    });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    await store.checkpoint(request('c1'));
    await writeBlocks(store, disk, 1, [2]);
    isFull = true;
    await expect(writeBlocks(store, disk, 0, [3])).rejects.toMatchObject({ code: 'STAGING_FULL' });
    await expect(store.checkpoint(request('c2'))).rejects.toHaveProperty('code');
    isFull = false;
    await writeBlocks(store, disk, 0, [3]);
    await store.checkpoint(request('c2'));
    expect((await readPoint(store, 1, 0)).equals(diskContent(disk, ONES))).toBe(true);
    expect((await readPoint(store, 2, 0)).equals(diskContent(disk, [3, 2, 1, 1, 1, 1]))).toBe(true);
  });

  test('a block that a full disk took half of stops marks and points until it was sent again', async () => {
    let isFull = false;
    const system = new SimulatedFileSystem({
      random: seeded(5),
      canClone: form === 'reflink',
      onOperation: ({ kind, path }) =>
        isFull && kind === 'write' && path.endsWith('.raw') ? simulatedError('ENOSPC', kind) : 'proceed',
    });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    isFull = true;
    await expect(writeBlocks(store, disk, 2, [2])).rejects.toMatchObject({ code: 'STAGING_FULL' });
    isFull = false;
    expect(Buffer.from(await store.digests(0, 2, 1))).toEqual(Buffer.alloc(16));
    await expect(store.mark('epoch', 1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(store.checkpoint(request('c1'))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await writeBlocks(store, disk, 2, [2]);
    await store.mark('epoch', 1);
    await store.checkpoint(request('c1'));
  });

  test('a torn block does not keep a session from naming its epoch: only that session can send it again (R18)', async () => {
    let isFull = false;
    const system = new SimulatedFileSystem({
      random: seeded(5),
      canClone: form === 'reflink',
      onOperation: ({ kind, path }) =>
        isFull && kind === 'write' && path.endsWith('.raw') ? simulatedError('ENOSPC', kind) : 'proceed',
    });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    isFull = true;
    await expect(writeBlocks(store, disk, 2, [2])).rejects.toMatchObject({ code: 'STAGING_FULL' });
    isFull = false;
    await store.mark('new epoch', 0);
    expect(store.lastMark()).toEqual({ mapEpoch: 'new epoch', markId: 0 });
    await expect(store.mark('new epoch', 1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await writeBlocks(store, disk, 2, [2]);
    await store.mark('new epoch', 1);
  });

  test('bit rot in a point is reported with its disk and offset, also after merging (R15)', async () => {
    const system = new SimulatedFileSystem({ random: seeded(6), canClone: form === 'reflink' });
    const { store, disk } = await open(system);
    await writeBlocks(store, disk, 0, ONES);
    await store.checkpoint(request('c1'));
    await writeBlocks(store, disk, 2, [2, 2]);
    await store.checkpoint(request('c2'));
    await store.close();
    const files = system.mount();
    const path = form === 'reflink' ? 'points/2/disk-0.raw' : 'segments/000000000001-000000000001.seg';
    const offset = form === 'reflink' ? 2 * BLOCK_SIZE_BYTES : 1024;
    const file = await files.open(path);
    const byte = new Uint8Array(1);
    await file.read(offset + 700, byte);
    await file.write(
      offset + 700,
      byte.map((value) => value ^ 1),
    );
    await file.close();
    const again = await open(system);
    const expected = {
      mismatches: [{ diskId: SHORT_DISK.diskId, offsetBytes: 2 * BLOCK_SIZE_BYTES, lengthBytes: BLOCK_SIZE_BYTES }],
      mismatchedBlocks: 1,
    };
    expect(await again.store.verifyPoint(2, NO_SIGNAL)).toMatchObject(expected);
    expect(await again.store.verifyPoint(1, NO_SIGNAL)).toMatchObject({ mismatches: [], mismatchedBlocks: 0 });
    await again.store.deletePoint(1);
    expect(await again.store.verifyPoint(2, NO_SIGNAL)).toMatchObject(expected);
  });
});
