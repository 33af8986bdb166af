/**
 * Device-mapper, md, multipath, zoned and NVMe disks are tested on sysfs trees that were composed after the kernel's
 * layout (`testing/sysfs-tree.ts`): the machine of the tests has none of them. zram and partitions are refused for
 * real in `disks.kernel.test.ts`.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LmsError } from '@lms/errors';
import { kernelDeviceNumber } from '@lms/linux';
import { buildSysfsTree, requestBasedDisk, stackedDisk } from '../testing/sysfs-tree.ts';
import { admitDisk } from './admission.ts';
import { readDiskFacts } from './disk-facts.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lms-sysfs-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const SDA = 'devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sda';
const SDB = 'devices/pci0000:00/ata2/host1/target1:0:0/1:0:0:0/block/sdb';

function refusalOf(
  device: string,
  major: number,
  minor: number,
  clusterFileSystem: string | null = null,
): LmsError | null {
  const facts = readDiskFacts(root, device, kernelDeviceNumber(major, minor), clusterFileSystem);
  if (facts === null) throw new Error(`${device} is not in the tree`);
  const admission = admitDisk(facts);
  return admission.admitted ? null : admission.refusal;
}

/** sda with two partitions, and sdb. */
function twoDisks(extra: Record<string, string> = {}): [Record<string, string>, Record<string, string>] {
  return [
    { [SDA]: '8:0', [`${SDA}/sda1`]: '8:1', [`${SDA}/sda2`]: '8:2', [SDB]: '8:16' },
    {
      ...requestBasedDisk(SDA),
      ...requestBasedDisk(SDB),
      [`${SDA}/sda1/partition`]: '1',
      [`${SDA}/sda2/partition`]: '2',
      ...extra,
    },
  ];
}

test('an ordinary disk is admitted, also when it is read-only', () => {
  buildSysfsTree(root, ...twoDisks({ [`${SDA}/ro`]: '1' }));
  expect(refusalOf('/dev/sda', 8, 0)).toBeNull();
});

test('a device that sysfs does not know gives no facts', () => {
  buildSysfsTree(root, ...twoDisks());
  expect(readDiskFacts(root, '/dev/sdz', kernelDeviceNumber(65, 144), null)).toBeNull();
});

test('a partition is refused, and its whole disk named', () => {
  buildSysfsTree(root, ...twoDisks());
  expect(refusalOf('/dev/sda2', 8, 2)).toMatchObject({
    code: 'UNSUPPORTED',
    message: '/dev/sda2 is a partition of /dev/sda',
    action: 'Give the whole disk /dev/sda.',
  });
});

test('a logical volume over two disks is refused, and both disks named', () => {
  const dm = 'devices/virtual/block/dm-0';
  const [devices, files] = twoDisks({
    ...stackedDisk(dm),
    [`${dm}/dm/name`]: 'vg-data',
    [`${dm}/dm/uuid`]: 'LVM-abc',
  });
  buildSysfsTree(
    root,
    { ...devices, [dm]: '253:0' },
    { ...files, [`${dm}/slaves/sda2`]: { link: `${SDA}/sda2` }, [`${dm}/slaves/sdb`]: { link: SDB } },
  );
  expect(refusalOf('/dev/mapper/vg-data', 253, 0)).toMatchObject({
    code: 'UNSUPPORTED',
    message: '/dev/mapper/vg-data is the device-mapper disk "vg-data" (a logical volume)',
    action: 'Give the disks that it lies on instead, all of them: /dev/sda and /dev/sdb.',
  });
});

test('an encrypted volume on a software RAID is refused, and the disks at the bottom named', () => {
  const md = 'devices/virtual/block/md0';
  const dm = 'devices/virtual/block/dm-1';
  const [devices, files] = twoDisks({
    ...stackedDisk(md),
    ...stackedDisk(dm),
    [`${md}/md/level`]: 'raid1',
    [`${dm}/dm/name`]: 'secret',
    [`${dm}/dm/uuid`]: 'CRYPT-LUKS2-1',
  });
  buildSysfsTree(
    root,
    { ...devices, [md]: '9:0', [dm]: '253:1' },
    {
      ...files,
      [`${md}/slaves/sda1`]: { link: `${SDA}/sda1` },
      [`${md}/slaves/sdb`]: { link: SDB },
      [`${dm}/slaves/md0`]: { link: md },
    },
  );
  expect(refusalOf('/dev/md0', 9, 0)).toMatchObject({
    message: '/dev/md0 is a software RAID (md)',
    action: expect.stringContaining('/dev/sda and /dev/sdb'),
  });
  expect(refusalOf('/dev/mapper/secret', 253, 1)).toMatchObject({
    message: expect.stringContaining('an encrypted volume'),
    action: expect.stringContaining('/dev/sda and /dev/sdb'),
  });
});

test('a device-mapper multipath head is refused although it has a queue of its own', () => {
  const dm = 'devices/virtual/block/dm-2';
  const [devices, files] = twoDisks({
    ...requestBasedDisk(dm),
    [`${dm}/dm/name`]: 'mpatha',
    [`${dm}/dm/uuid`]: 'mpath-36',
  });
  buildSysfsTree(
    root,
    { ...devices, [dm]: '253:2' },
    { ...files, [`${dm}/slaves/sda`]: { link: SDA }, [`${dm}/slaves/sdb`]: { link: SDB } },
  );
  expect(refusalOf('/dev/mapper/mpatha', 253, 2)?.message).toContain('a multipath head');
});

test('the head of an NVMe multipath disk is refused, and so is one of its paths', () => {
  const head = 'devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1';
  const path = 'devices/pci0000:00/nvme/nvme0/nvme0c0n1';
  buildSysfsTree(
    root,
    { [head]: '259:0', [path]: '259:1' },
    { ...stackedDisk(head), ...requestBasedDisk(path), [`${path}/hidden`]: '1' },
  );
  expect(refusalOf('/dev/nvme0n1', 259, 0)).toMatchObject({
    message: '/dev/nvme0n1 is the head of a multipath disk, so the kernel reports no writes of it',
    action: expect.stringContaining('/dev/nvme0c0n1'),
  });
  expect(refusalOf('/dev/nvme0c0n1', 259, 1)?.message).toContain('is one path of a multipath disk');
});

test('an NVMe disk with a queue of its own is admitted', () => {
  const disk = 'devices/pci0000:00/nvme/nvme0/nvme0n1';
  buildSysfsTree(root, { [disk]: '259:0' }, requestBasedDisk(disk));
  expect(refusalOf('/dev/nvme0n1', 259, 0)).toBeNull();
});

test.each(['host-managed', 'host-aware'])('a zoned disk (%s) is refused', (zoned) => {
  buildSysfsTree(root, ...twoDisks({ [`${SDA}/queue/zoned`]: zoned }));
  expect(refusalOf('/dev/sda', 8, 0)).toMatchObject({
    code: 'UNSUPPORTED',
    message: `/dev/sda is a zoned disk (${zoned})`,
  });
});

test('compressed memory is refused', () => {
  const zram = 'devices/virtual/block/zram0';
  buildSysfsTree(root, { [zram]: '254:0' }, stackedDisk(zram));
  expect(refusalOf('/dev/zram0', 254, 0)?.message).toContain('zram');
});

test('a disk without a queue of requests that nothing else explains is refused', () => {
  const pmem = 'devices/virtual/block/pmem0';
  buildSysfsTree(root, { [pmem]: '259:5' }, stackedDisk(pmem));
  expect(refusalOf('/dev/pmem0', 259, 5)?.message).toBe(
    '/dev/pmem0 has no queue of requests, so the kernel reports no writes of it',
  );
});

test('a disk with a mounted cluster file system is refused', () => {
  buildSysfsTree(root, ...twoDisks());
  expect(refusalOf('/dev/sda', 8, 0, 'gfs2')?.message).toContain('holds the cluster file system gfs2');
});

test.each([
  [0, 'NOT_FOUND', '/dev/sda has no medium'],
  [2047, 'UNSUPPORTED', '/dev/sda has only 1048064 bytes'],
])('a disk of %d sectors is refused', (sectors, code, message) => {
  buildSysfsTree(root, ...twoDisks({ [`${SDA}/size`]: String(sectors) }));
  expect(refusalOf('/dev/sda', 8, 0)).toMatchObject({ code, message });
});

test('a disk that does not count its requests is refused, with the command that mends it', () => {
  buildSysfsTree(root, ...twoDisks({ [`${SDA}/queue/iostats`]: '0' }));
  expect(refusalOf('/dev/sda', 8, 0)).toMatchObject({
    code: 'FAILED_PRECONDITION',
    action: 'Switch it on: echo 1 > /sys/block/sda/queue/iostats',
  });
});
