/** On the real kernel, as root: disks are admitted, named and read (R6, R7). */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { closeSync, existsSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { allocateAlignedMemory } from '@lms/linux';
import { openSourceDisks, readBootId, type OpenSourceDisk } from './index.ts';
import { TestMachine, run } from './testing/loop-disks.ts';

const MIB = 1024 * 1024;
let machine: TestMachine;

beforeEach(() => {
  machine = new TestMachine();
});

afterEach(async () => {
  await machine.cleanup();
});

async function open(...paths: string[]): Promise<OpenSourceDisk[]> {
  const disks = await openSourceDisks(paths);
  machine.onCleanup(async () => void (await Promise.all(disks.map((disk) => disk.close()))));
  return disks;
}

async function openOne(path: string): Promise<OpenSourceDisk> {
  return (await open(path))[0] as OpenSourceDisk;
}

test('what was written is read past the page cache, while the disk is mounted', async () => {
  const device = machine.loopDisk(8 * MIB);
  const disk = await openOne(device);
  const fileDescriptor = openSync(device, 'r+');
  try {
    writeSync(fileDescriptor, Buffer.alloc(MIB, 0x5a), 0, MIB, 2 * MIB);
    run('sync', device);
  } finally {
    closeSync(fileDescriptor);
  }
  const target = allocateAlignedMemory(MIB);
  await disk.read(2 * MIB, target);
  expect(target.every((byte) => byte === 0x5a)).toBe(true);
  await disk.read(3 * MIB, target.subarray(0, 4096));
  expect(target.subarray(0, 4096).every((byte) => byte === 0)).toBe(true);
});

test('reading beyond the end is an error that names the disk and the byte', async () => {
  const device = machine.loopDisk(MIB);
  const disk = await openOne(device);
  await expect(disk.read(0, allocateAlignedMemory(2 * MIB))).rejects.toThrow(`${device} ended at byte ${MIB}`);
});

test('a loop disk is known by its file wherever it is attached, and its generation by the attachment', async () => {
  const folder = machine.folder();
  const device = machine.loopDisk(4 * MIB, folder);
  const first = await openOne(device);
  const file = run('losetup', '--noheadings', '--output', 'BACK-FILE', device).trim();
  expect(first.diskId).toMatch(new RegExp(`^loop-\\d+:\\d+-${statSync(file).ino}-${4 * MIB}$`));
  expect(first.generation.startsWith(`${readBootId()}/`)).toBe(true);
  const again = run('losetup', '--find', '--show', file).trim();
  machine.onCleanup(() => void run('losetup', '--detach', again));
  const second = await openOne(again);
  expect(second.diskId).toBe(first.diskId);
  expect(second.generation).not.toBe(first.generation);
  await expect(openSourceDisks([device, again])).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('cannot be told apart'),
  });
});

test('a disk that grew, or was taken away, is noticed', async () => {
  const device = machine.loopDisk(4 * MIB);
  const disk = await openOne(device);
  expect(disk.inspect()).toEqual({ present: true, sizeBytes: 4 * MIB, generation: disk.generation });
  const file = run('losetup', '--noheadings', '--output', 'BACK-FILE', device).trim();
  run('truncate', '--size=8M', file);
  run('losetup', '--set-capacity', device);
  expect(disk.inspect().sizeBytes).toBe(8 * MIB);
});

test('writes in flight are counted, and not believed when counting was switched off', async () => {
  const device = machine.loopDisk(4 * MIB);
  const disk = await openOne(device);
  expect(disk.writesInFlight()).toBe(0);
  const iostats = join('/sys/block', device.slice('/dev/'.length), 'queue/iostats');
  run('sh', '-c', `echo 0 > ${iostats}`);
  try {
    expect(() => disk.writesInFlight()).toThrow('no longer counts its requests in flight');
    await expect(openSourceDisks([device])).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  } finally {
    run('sh', '-c', `echo 1 > ${iostats}`);
  }
});

test.each([
  [
    'a partition',
    () => machine.partition(machine.loopDisk(16 * MIB), 2048, 8192),
    'UNSUPPORTED',
    'is a partition of /dev/loop',
  ],
  ['a loop device without a file', () => freeLoopDevice(), 'NOT_FOUND', 'has no file attached'],
  ['a disk below 1 MiB', () => machine.loopDisk(MIB - 512), 'UNSUPPORTED', 'has only'],
  ['a character device', () => '/dev/null', 'INVALID_ARGUMENT', 'is not a disk'],
  ['a file', () => '/etc/hostname', 'INVALID_ARGUMENT', 'is not a disk'],
  ['nothing', () => '/dev/does-not-exist', 'NOT_FOUND', 'does not exist'],
])('%s is refused', async (_, prepare, code, message) => {
  const path = prepare();
  await expect(openSourceDisks([path])).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  await expect(openSourceDisks([path])).rejects.toMatchObject({
    message: expect.stringContaining(path),
    action: expect.any(String),
  });
});

test('compressed memory is refused where the machine has it', async () => {
  const path = existsSync('/dev/zram0') ? '/dev/zram0' : '/dev/does-not-exist';
  await expect(openSourceDisks([path])).rejects.toMatchObject({
    code: path === '/dev/zram0' ? 'UNSUPPORTED' : 'NOT_FOUND',
  });
});

test('the same disk twice is refused, and nothing stays open', async () => {
  const device = machine.loopDisk(4 * MIB);
  await expect(openSourceDisks([device, device])).rejects.toThrow('are the same disk');
});

/** The last one that has no file: others that need one take the first. */
function freeLoopDevice(): string {
  const names = readdirSync('/sys/block').filter((name) => name.startsWith('loop'));
  const free = names.filter((name) => !existsSync(`/sys/block/${name}/loop/backing_file`));
  const last = free.sort((first, second) => Number(first.slice(4)) - Number(second.slice(4))).at(-1);
  return last === undefined ? run('losetup', '--find').trim() : `/dev/${last}`;
}
