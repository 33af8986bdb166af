import { afterEach, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import type { RuntimeMemory } from '../core/index.ts';
import { openSourceDisks } from '../kernel/index.ts';
import { TestMachine } from '../kernel/testing/loop-disks.ts';
import { findEnrolledDisks } from './find-disks.ts';

const SIZE_BYTES = 4 * 1024 * 1024;
const machine = new TestMachine();
afterEach(() => machine.cleanup());

function memoryOf(content: unknown = null): RuntimeMemory & { readonly saved: () => unknown } {
  let data = content === null ? null : Buffer.from(JSON.stringify(content));
  return {
    read: () => data,
    replace: (_name, written) => {
      data = Buffer.from(written);
    },
    allocate: () => undefined,
    writeAt: () => undefined,
    saved: () => (data === null ? null : (JSON.parse(data.toString('utf8')) as unknown)),
  };
}

async function enrolledAt(path: string) {
  const [disk] = await openSourceDisks([path]);
  if (disk === undefined) throw new Error(`${path} was not opened`);
  const { diskId, device, sizeBytes, deviceNumber, generation } = disk;
  await disk.close();
  return { diskId, device, sizeBytes, deviceNumber, generation };
}

async function devicesFound(...parameters: Parameters<typeof findEnrolledDisks>): Promise<readonly string[]> {
  const disks = await findEnrolledDisks(...parameters);
  await Promise.all(disks.map((disk) => disk.close()));
  return disks.map(({ diskId, device }) => `${diskId} ${device}`);
}

test('R7: a disk whose name went to another disk is found by its identity', async () => {
  const first = await enrolledAt(machine.loopDisk(SIZE_BYTES));
  const second = await enrolledAt(machine.loopDisk(SIZE_BYTES));
  const renamed = [
    { ...first, device: second.device },
    { ...second, device: '/dev/gone' },
  ];
  expect(await devicesFound(renamed, memoryOf())).toEqual([
    `${first.diskId} ${first.device}`,
    `${second.diskId} ${second.device}`,
  ]);
});

test('a disk that was found in this boot is not asked for its identity again', async () => {
  const disk = await enrolledAt(machine.loopDisk(SIZE_BYTES));
  const memory = memoryOf();
  await devicesFound([disk], memory);
  const { diskId, deviceNumber, sizeBytes, generation } = disk;
  expect(memory.saved()).toEqual([{ diskId, deviceNumber, sizeBytes, generation }]);
  // Only what is remembered can know it by this name.
  const remembered = { ...disk, diskId: 'remembered' };
  const known = memoryOf([{ diskId: 'remembered', deviceNumber, sizeBytes, generation }]);
  expect(await devicesFound([remembered], known)).toEqual([`remembered ${disk.device}`]);
});

test('what is remembered of another boot, medium or size is not believed', async () => {
  const disk = await enrolledAt(machine.loopDisk(SIZE_BYTES));
  const { diskId, deviceNumber, sizeBytes, generation } = disk;
  const right = { diskId: 'wrong', deviceNumber, sizeBytes, generation };
  for (const change of [{ generation: 'another-boot/1' }, { sizeBytes: sizeBytes * 2 }, { deviceNumber: 1 }]) {
    const memory = memoryOf([{ ...right, ...change }]);
    expect(await devicesFound([disk], memory)).toEqual([`${diskId} ${disk.device}`]);
  }
});

test('a disk that is gone, or has another size, is exit 1 and named', async () => {
  const disk = await enrolledAt(machine.loopDisk(SIZE_BYTES));
  const missing = { ...disk, diskId: `${disk.diskId}-shrunk`, sizeBytes: SIZE_BYTES * 2 };
  const refusal: unknown = await findEnrolledDisks([missing], memoryOf()).catch((thrown: unknown) => thrown);
  expect(exitCodeOf(refusal)).toBe(1);
  expect(String(refusal)).toContain(missing.diskId);
});
