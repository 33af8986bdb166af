/**
 * Which block devices lie on which: partitions, holders (device-mapper, md), members of one btrfs, and loop devices on
 * files. Read from sysfs at a root that tests point at recorded trees.
 */
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deviceIdToKernelNumber, kernelNumberMajor, loopBacking } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import { listFolder, readDeviceNumber, readText } from '../disk/disk-facts.ts';
import { mountIdOf, parseMountInfo } from './mount-table.ts';

export interface BlockGraph {
  /** Devices directly on this one: its partitions and holders. */
  readonly above: ReadonlyMap<DeviceNumber, ReadonlySet<DeviceNumber>>;
  /** Loop devices, with the device number of the file system that their file is on. */
  readonly loops: readonly { readonly loop: DeviceNumber; readonly fileSystem: DeviceNumber }[];
  /** Sets of devices that one btrfs spans. */
  readonly groups: readonly ReadonlySet<DeviceNumber>[];
}

/** Device of the file system with the file of this loop device; null when it has none. */
export type FindLoopFileSystem = (kernelName: string) => DeviceNumber | null;

export function readBlockGraph(sysfsRoot = '/sys', findLoopFileSystem = loopFileSystem): BlockGraph {
  const above = new Map<DeviceNumber, Set<DeviceNumber>>();
  const loops: { loop: DeviceNumber; fileSystem: DeviceNumber }[] = [];
  const addAbove = (lower: DeviceNumber, upper: DeviceNumber): void => {
    const set = above.get(lower);
    if (set === undefined) above.set(lower, new Set([upper]));
    else set.add(upper);
  };
  const classFolder = join(sysfsRoot, 'class/block');
  for (const name of listFolder(classFolder)) {
    const folder = realpath(join(classFolder, name));
    const device = folder === null ? null : readDeviceNumber(folder);
    if (folder === null || device === null) continue;
    const parent = existsSync(join(folder, 'partition')) ? readDeviceNumber(dirname(folder)) : null;
    if (parent !== null) addAbove(parent, device);
    for (const holder of listFolder(join(folder, 'holders'))) {
      const upper = readDeviceNumber(join(folder, 'holders', holder));
      if (upper !== null) addAbove(device, upper);
    }
    const fileSystem = existsSync(join(folder, 'loop/backing_file')) ? findLoopFileSystem(name) : null;
    if (fileSystem !== null) loops.push({ loop: device, fileSystem });
  }
  return { above, loops, groups: readBtrfsGroups(sysfsRoot) };
}

/** `start` and everything on it, through partitions and holders. */
export function closure(graph: BlockGraph, start: Iterable<DeviceNumber>): Set<DeviceNumber> {
  const reached = new Set<DeviceNumber>(start);
  // A set's iteration goes on with what is added to it meanwhile.
  for (const device of reached) for (const upper of graph.above.get(device) ?? []) reached.add(upper);
  return reached;
}

function readBtrfsGroups(sysfsRoot: string): Set<DeviceNumber>[] {
  const root = join(sysfsRoot, 'fs/btrfs');
  return listFolder(root)
    .map((name) => join(root, name, 'devices'))
    .map((folder) => listFolder(folder).map((device) => readDeviceNumber(join(folder, device))))
    .map((devices) => new Set(devices.filter((device) => device !== null)))
    .filter((group) => group.size > 0);
}

function loopFileSystem(kernelName: string): DeviceNumber | null {
  const device = openAnd(`/dev/${kernelName}`, (fileDescriptor) => {
    return deviceIdToKernelNumber(loopBacking(fileDescriptor, kernelName).device);
  });
  if (device === null || kernelNumberMajor(device) !== 0) return device;
  // A file on btrfs has the number of its subvolume, which no mount has: ask which mount its path goes through.
  const path = readText(`/sys/class/block/${kernelName}`, 'loop/backing_file');
  return (path === null ? null : mountDeviceOfPath(path)) ?? device;
}

function mountDeviceOfPath(path: string): DeviceNumber | null {
  return openAnd(path, (fileDescriptor) => {
    const mountId = mountIdOf(fileDescriptor);
    const rows = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'), '');
    return rows.find((row) => row.mountId === mountId)?.deviceNumber ?? null;
  });
}

/** Null when it cannot be opened or `use` fails: the device or file is gone meanwhile. */
function openAnd<Value>(path: string, use: (fileDescriptor: number) => Value): Value | null {
  let fileDescriptor: number;
  try {
    fileDescriptor = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    return use(fileDescriptor);
  } catch {
    return null;
  } finally {
    closeSync(fileDescriptor);
  }
}

function realpath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null; // gone meanwhile
  }
}
