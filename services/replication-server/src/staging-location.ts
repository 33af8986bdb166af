/**
 * R17: on which whole disks our own data lies.
 *
 * Situation: the data folder may stand on a file system on a partition, on device-mapper or md, on a loop device whose
 * backing file stands on another file system, and so on downwards. Mechanism: the folder's device number, then sysfs:
 * `partition` leads to the disk around it, `slaves` to the devices below, the loop's own answer to the device of its
 * backing file. Special cases: a file system without a block device of its own number (btrfs) is found by the source of
 * its mount; one without any (tmpfs, NFS) lies on no disk. Failure: a loop device that does not tell its backing file, or
 * a source of a mount that is not there, is an error, not "no disk": a wrong "no" would let a machine replicate onto
 * itself without end.
 */
import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LmsError } from '@lms/errors';
import { deviceIdToKernelNumber, formatDeviceNumber, kernelNumberMajor, parseDeviceNumber } from '@lms/linux';
import type { StagingLocation } from './core/ports.ts';
import { loopBackingDevice } from './loop-backing.ts';

/** Device-mapper on md on partitions on loop … far deeper than anybody stacks; a cycle ends here. */
const MAXIMUM_DEPTH = 32;

/** Where sysfs and procfs are, and what the kernel says of files: replaced where a recorded tree is read. */
export interface KernelFacts {
  readonly sysfs: string;
  readonly procfs: string;
  /** Kernel's number of the device that holds this path. */
  deviceOf(path: string): number;
  /** Kernel's number of the device that this node is; null when it is none. */
  deviceAt(path: string): number | null;
  /** Kernel's number of the device that holds the loop's backing file. */
  loopBackingDevice(name: string): number;
}

export const RUNNING_KERNEL: KernelFacts = {
  sysfs: '/sys',
  procfs: '/proc',
  deviceOf: (path) => deviceIdToKernelNumber(statSync(path, { bigint: true }).dev),
  deviceAt: (path) => {
    const node = statSync(path, { bigint: true, throwIfNoEntry: false });
    return node?.isBlockDevice() === true ? deviceIdToKernelNumber(node.rdev) : null;
  },
  loopBackingDevice,
};

/** Read anew at each call: loop devices and mounts come and go. */
export function createStagingLocation(dataFolder: string, kernel: KernelFacts = RUNNING_KERNEL): StagingLocation {
  return {
    bootId: readFileSync(join(kernel.procfs, 'sys/kernel/random/boot_id'), 'utf8').trim(),
    wholeDiskNumbers: () => Promise.resolve(wholeDisksBelow(dataFolder, kernel)),
  };
}

export function wholeDisksBelow(folder: string, kernel: KernelFacts): readonly number[] {
  const found = new Set<number>();
  for (const device of devicesOfFolder(folder, kernel)) descend(device, kernel, found, 0);
  return [...found].sort((first, second) => first - second);
}

function devicesOfFolder(folder: string, kernel: KernelFacts): readonly number[] {
  const device = kernel.deviceOf(folder);
  if (kernelNumberMajor(device) !== 0) return [device];
  return devicesOfMount(device, kernel);
}

/** Anonymous device numbers (major 0): btrfs has one, and a block device as the source of its mount. */
function devicesOfMount(device: number, kernel: KernelFacts): readonly number[] {
  const wanted = formatDeviceNumber(device);
  const devices = new Set<number>();
  for (const line of readFileSync(join(kernel.procfs, 'self/mountinfo'), 'utf8').split('\n')) {
    const [mountFields, superblockFields] = line.split(' - ');
    const source = superblockFields?.split(' ')[1];
    if (mountFields?.split(' ')[2] !== wanted || source === undefined || !source.startsWith('/dev/')) continue;
    const number = kernel.deviceAt(source);
    // In a pod /dev has no disks: a mount of one that cannot be named is not a mount of none.
    if (number === null) throw undetermined(source, 'there is no such device here');
    devices.add(number);
    for (const other of btrfsCompanions(number, kernel)) devices.add(other);
  }
  return [...devices];
}

/** A btrfs on several devices names only one of them as its source. */
function btrfsCompanions(device: number, kernel: KernelFacts): readonly number[] {
  const root = join(kernel.sysfs, 'fs/btrfs');
  if (!existsSync(root)) return [];
  for (const fileSystem of readdirSync(root)) {
    const folder = join(root, fileSystem, 'devices');
    if (!existsSync(folder)) continue;
    const numbers = readdirSync(folder).map((name) => readDeviceNumber(join(folder, name)));
    if (numbers.includes(device)) return numbers;
  }
  return [];
}

function descend(device: number, kernel: KernelFacts, found: Set<number>, depth: number): void {
  if (depth > MAXIMUM_DEPTH) throw undetermined(formatDeviceNumber(device), 'devices are stacked too deep');
  const link = join(kernel.sysfs, 'dev/block', formatDeviceNumber(device));
  if (!existsSync(link)) return;
  const folder = realpathSync(link);
  if (existsSync(join(folder, 'partition'))) {
    descend(readDeviceNumber(dirname(folder)), kernel, found, depth + 1);
    return;
  }
  if (found.has(device)) return;
  found.add(device);
  const slaves = join(folder, 'slaves');
  if (existsSync(slaves)) {
    for (const name of readdirSync(slaves)) descend(readDeviceNumber(join(slaves, name)), kernel, found, depth + 1);
  }
  if (existsSync(join(folder, 'loop/backing_file'))) {
    const below = kernel.loopBackingDevice(basename(folder));
    const devices = kernelNumberMajor(below) === 0 ? devicesOfMount(below, kernel) : [below];
    for (const number of devices) descend(number, kernel, found, depth + 1);
  }
}

function readDeviceNumber(folder: string): number {
  const number = parseDeviceNumber(readFileSync(join(folder, 'dev'), 'utf8'));
  if (number === null) throw undetermined(folder, 'it has no device number');
  return number;
}

function undetermined(where: string, problem: string): LmsError {
  return new LmsError('FAILED_PRECONDITION', `Cannot find out on which disk staging lies: ${where}: ${problem}`, {
    action: 'Put the data folder on a plain disk, or let this process read /sys and /dev.',
  });
}
