import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { kernelDeviceNumber, parseDeviceNumber } from '@lms/linux';
import { createStagingLocation, wholeDisksBelow } from './staging-location.ts';
import type { KernelFacts } from './staging-location.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lms-sysfs-'));
  mkdirSync(join(root, 'sys/dev/block'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** A block device as sysfs shows it; `path` is below `/sys/devices`. */
function device(path: string, number: string, attributes: Readonly<Record<string, string>> = {}): void {
  write(`sys/devices/${path}/dev`, `${number}\n`);
  for (const [name, text] of Object.entries(attributes)) write(`sys/devices/${path}/${name}`, text);
  symlinkSync(join(root, 'sys/devices', path), join(root, 'sys/dev/block', number));
}

function slave(path: string, of: string): void {
  const folder = join(root, 'sys/devices', of, 'slaves');
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(root, 'sys/devices', path), join(folder, path.replaceAll('/', '-')));
}

/** `files`: on which device a path lies. `nodes`: which device a path is. `loops`: on which device a backing file lies. */
function kernel(facts: {
  files?: Record<string, string>;
  nodes?: Record<string, string>;
  loops?: Record<string, string>;
}): KernelFacts {
  const number = (text: string | undefined): number => {
    const parsed = text === undefined ? null : parseDeviceNumber(text);
    if (parsed === null) throw new Error('not recorded');
    return parsed;
  };
  return {
    sysfs: join(root, 'sys'),
    procfs: join(root, 'proc'),
    deviceOf: (path) => number(facts.files?.[path]),
    deviceAt: (path) => (facts.nodes?.[path] === undefined ? null : number(facts.nodes[path])),
    loopBackingDevice: (name) => number(facts.loops?.[name]),
  };
}

const sda = kernelDeviceNumber(8, 0);
const sdb = kernelDeviceNumber(8, 16);

test('a folder on a partition lies on the disk around it', () => {
  device('pci/sda', '8:0');
  device('pci/sda/sda1', '8:1', { partition: '1\n' });
  expect(wholeDisksBelow('/data', kernel({ files: { '/data': '8:1' } }))).toEqual([sda]);
});

test('a folder on device-mapper over md over partitions of two disks lies on all of them (recorded tree)', () => {
  device('pci/sda', '8:0');
  device('pci/sda/sda1', '8:1', { partition: '1\n' });
  device('pci/sdb', '8:16');
  device('pci/sdb/sdb2', '8:18', { partition: '2\n' });
  device('virtual/md0', '9:0');
  device('virtual/dm-0', '253:0');
  slave('pci/sda/sda1', 'virtual/md0');
  slave('pci/sdb/sdb2', 'virtual/md0');
  slave('virtual/md0', 'virtual/dm-0');
  const expected = [sda, sdb, kernelDeviceNumber(9, 0), kernelDeviceNumber(253, 0)];
  expect(wholeDisksBelow('/data', kernel({ files: { '/data': '253:0' } }))).toEqual(expected);
});

test('a folder on a partition of a loop device on a file on another disk lies on both', () => {
  device('pci/sda', '8:0');
  device('virtual/loop3', '7:3', { 'loop/backing_file': '/images/disk.img\n' });
  device('virtual/loop3/loop3p1', '259:4', { partition: '1\n' });
  const facts = kernel({ files: { '/data': '259:4' }, loops: { loop3: '8:0' } });
  expect(wholeDisksBelow('/data', facts)).toEqual([kernelDeviceNumber(7, 3), sda]);
});

test('a loop device that does not tell its backing file is an error, not "no disk"', () => {
  device('virtual/loop3', '7:3', { 'loop/backing_file': '/gone (deleted)\n' });
  expect(() => wholeDisksBelow('/data', kernel({ files: { '/data': '7:3' } }))).toThrow('not recorded');
});

test('a folder on btrfs lies on every device of that file system', () => {
  device('pci/sda', '8:0');
  device('pci/sdb', '8:16');
  write('proc/self/mountinfo', '40 1 0:33 / /data rw - btrfs /dev/sda rw\n41 1 0:34 / /x rw - tmpfs none rw\n');
  mkdirSync(join(root, 'sys/fs/btrfs/uuid/devices'), { recursive: true });
  symlinkSync(join(root, 'sys/devices/pci/sda'), join(root, 'sys/fs/btrfs/uuid/devices/sda'));
  symlinkSync(join(root, 'sys/devices/pci/sdb'), join(root, 'sys/fs/btrfs/uuid/devices/sdb'));
  const facts = kernel({ files: { '/data': '0:33' }, nodes: { '/dev/sda': '8:0' } });
  expect(wholeDisksBelow('/data', facts)).toEqual([sda, sdb]);
});

test('a folder on btrfs whose device is not there, as in a pod, is an error, not "no disk"', () => {
  write('proc/self/mountinfo', '40 1 0:33 / /data rw - btrfs /dev/sda rw\n');
  const facts = kernel({ files: { '/data': '0:33' } });
  expect(() => wholeDisksBelow('/data', facts)).toThrow('/dev/sda: there is no such device here');
});

test('a folder on tmpfs lies on no disk', () => {
  write('proc/self/mountinfo', '41 1 0:34 / /data rw - tmpfs none rw\n');
  expect(wholeDisksBelow('/data', kernel({ files: { '/data': '0:34' } }))).toEqual([]);
});

test('the running kernel answers for a real folder', async () => {
  const location = createStagingLocation(tmpdir());
  expect(location.bootId).toMatch(/^[0-9a-f-]{36}$/);
  for (const number of await location.wholeDiskNumbers()) expect(number).toBeGreaterThan(0);
});
