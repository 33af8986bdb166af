import { expect, test } from '@jest/globals';
import { kernelDeviceNumber } from '@lms/linux';
import type { BlockGraph } from './block-graph.ts';
import { findSuperblocks } from './find-superblocks.ts';
import { parseMountInfo, type MountRow } from './mount-table.ts';

const SDA = kernelDeviceNumber(8, 0);
const SDA1 = kernelDeviceNumber(8, 1);
const SDA2 = kernelDeviceNumber(8, 2);
const SDB = kernelDeviceNumber(8, 16);
const DM0 = kernelDeviceNumber(253, 0);
const LOOP0 = kernelDeviceNumber(7, 0);
const LOOP1 = kernelDeviceNumber(7, 1);
const BTRFS = kernelDeviceNumber(0, 45);

function graph(above: readonly (readonly [number, readonly number[]])[], rest: Partial<BlockGraph> = {}): BlockGraph {
  return { above: new Map(above.map(([lower, upper]) => [lower, new Set(upper)])), loops: [], groups: [], ...rest };
}

let nextMountId = 1;

function mounted(deviceNumber: number, path: string, extra: Partial<MountRow> = {}): MountRow {
  const defaults = { fileSystemType: 'ext4', source: 'none', namespaceRoot: '', writable: true };
  return { mountId: nextMountId++, deviceNumber, path, ...defaults, ...extra };
}

function paths(disks: readonly number[], rows: readonly MountRow[], blocks: BlockGraph): string[] {
  const resolve = (row: MountRow): number[] => (row.source === '/dev/sdb' ? [SDB] : []);
  return findSuperblocks(disks, rows, blocks, resolve).map((one) => one.mounts[0]?.path ?? '');
}

test('file systems on partitions, and on a logical volume over a partition, are found; others are not', () => {
  const blocks = graph([
    [SDA, [SDA1, SDA2]],
    [SDA2, [DM0]],
  ]);
  const rows = [
    mounted(SDA1, '/boot'),
    mounted(DM0, '/'),
    mounted(SDB, '/other'),
    mounted(kernelDeviceNumber(0, 22), '/run'),
  ];
  expect(paths([SDA], rows, blocks)).toEqual(['/boot', '/']);
});

test('a logical volume over two disks belongs to each of them', () => {
  const blocks = graph([
    [SDA, [DM0]],
    [SDB, [DM0]],
  ]);
  for (const disk of [SDA, SDB]) expect(paths([disk], [mounted(DM0, '/srv')], blocks)).toEqual(['/srv']);
});

test('a superblock that is mounted at several places and namespaces is found once, with all its mounts', () => {
  const rows = [mounted(SDA, '/a'), mounted(SDA, '/b'), mounted(SDA, '/namespace/a', { namespaceRoot: '/namespace' })];
  const found = findSuperblocks([SDA], [...rows, rows[0] as MountRow], graph([]));
  expect(found.map((one) => one.mounts.map((row) => row.path))).toEqual([['/a', '/b', '/namespace/a']]);
});

test('a read-only superblock is left alone; one that is writable through another mount is not', () => {
  expect(paths([SDA], [mounted(SDA, '/a', { writable: false })], graph([]))).toEqual([]);
  expect(paths([SDA], [mounted(SDA, '/a', { writable: false }), mounted(SDA, '/b')], graph([]))).toEqual(['/b']);
});

test('file systems in files are frozen before the ones with the files, however deep, also on a partition of the loop', () => {
  const loopPartition = kernelDeviceNumber(259, 9);
  const blocks = graph([[LOOP0, [loopPartition]]], {
    loops: [
      { loop: LOOP0, fileSystem: SDA },
      { loop: LOOP1, fileSystem: loopPartition },
    ],
  });
  const rows = [mounted(SDA, '/outer'), mounted(LOOP1, '/inmost'), mounted(loopPartition, '/inner')];
  expect(paths([SDA], rows, blocks)).toEqual(['/inmost', '/inner', '/outer']);
});

test('a disk that is itself a loop does not freeze the file system with its file', () => {
  const blocks = graph([], { loops: [{ loop: LOOP0, fileSystem: SDA }] });
  expect(paths([LOOP0], [mounted(SDA, '/outer'), mounted(LOOP0, '/inner')], blocks)).toEqual(['/inner']);
});

test('btrfs is found by its source, by another member of its group, and taken when neither is known', () => {
  const rows = [mounted(BTRFS, '/data', { fileSystemType: 'btrfs', source: '/dev/sdb' })];
  expect(paths([SDB], rows, graph([]))).toEqual(['/data']);
  expect(paths([SDA], rows, graph([]))).toEqual([]);
  expect(paths([SDA], rows, graph([], { groups: [new Set([SDA, SDB])] }))).toEqual(['/data']);
  expect(paths([SDA], [mounted(BTRFS, '/data', { fileSystemType: 'btrfs', source: '/dev/root' })], graph([]))).toEqual([
    '/data',
  ]);
});

test('mountinfo is parsed with optional fields, escapes and super options', () => {
  const text = [
    '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/my\\134root rw,errors=continue',
    '37 35 0:45 / /ro ro,relatime - btrfs /dev/sdb ro,subvol=/',
    'nonsense',
    '',
  ].join('\n');
  expect(parseMountInfo(text, '/namespace')).toEqual([
    {
      mountId: 36,
      deviceNumber: kernelDeviceNumber(98, 0),
      path: '/namespace/mnt 2',
      fileSystemType: 'ext3',
      source: '/dev/my\\root',
      namespaceRoot: '/namespace',
      writable: true,
    },
    expect.objectContaining({ mountId: 37, path: '/namespace/ro', writable: false }),
  ]);
});
