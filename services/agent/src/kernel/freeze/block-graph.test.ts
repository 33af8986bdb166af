/** On a sysfs tree that was composed after the kernel's layout: the machine of the tests has no device-mapper. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernelDeviceNumber } from '@lms/linux';
import { buildSysfsTree } from '../testing/sysfs-tree.ts';
import { closure, readBlockGraph } from './block-graph.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lms-sysfs-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

test('partitions, holders, loop devices and members of a btrfs are found', () => {
  const sda = 'devices/pci/block/sda';
  const dm = 'devices/virtual/block/dm-0';
  const loop = 'devices/virtual/block/loop0';
  buildSysfsTree(
    root,
    {
      [sda]: '8:0',
      [`${sda}/sda1`]: '8:1',
      [`${sda}/sda2`]: '8:2',
      [dm]: '253:0',
      [loop]: '7:0',
      'devices/virtual/block/loop1': '7:1',
    },
    {
      [`${sda}/sda1/partition`]: '1',
      [`${sda}/sda2/partition`]: '2',
      [`${sda}/sda2/holders/dm-0`]: { link: dm },
      [`${loop}/loop/backing_file`]: '/srv/disk.img',
      'fs/btrfs/2b0c/devices/sda1': { link: `${sda}/sda1` },
      'fs/btrfs/2b0c/devices/dm-0': { link: dm },
      'fs/btrfs/features/raid56': '0',
    },
  );
  const number = kernelDeviceNumber;
  const graph = readBlockGraph(root, (name) => (name === 'loop0' ? number(253, 0) : null));
  expect(graph.loops).toEqual([{ loop: number(7, 0), fileSystem: number(253, 0) }]);
  expect(graph.groups).toEqual([new Set([number(253, 0), number(8, 1)])]);
  expect(closure(graph, [number(8, 0)])).toEqual(new Set([number(8, 0), number(8, 1), number(8, 2), number(253, 0)]));
  expect(closure(graph, [number(8, 1)])).toEqual(new Set([number(8, 1)]));
});
