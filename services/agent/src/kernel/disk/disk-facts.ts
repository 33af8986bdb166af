/**
 * What sysfs says about a disk. Read from a root that tests point at recorded trees (device-mapper, md, zram …); nothing
 * is decided here (`admission.ts` does).
 */
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { formatDeviceNumber, parseDeviceNumber } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';

export interface DiskFacts {
  /** As the user wrote it, for messages. */
  readonly device: string;
  /** The kernel's name: `sda`. */
  readonly kernelName: string;
  readonly deviceNumber: DeviceNumber;
  /** Folder of the disk in sysfs. */
  readonly folder: string;
  /** The disk's name when `device` is one of its partitions. */
  readonly partitionOf: string | null;
  readonly sizeBytes: number;
  readonly logicalBlockSizeBytes: number;
  /** Whether the disk has a queue of its own for requests (blk-mq), which the events come from. */
  readonly hasRequestQueue: boolean;
  /** `none` for an ordinary disk. */
  readonly zoned: string;
  /** A path of a multipath disk, kept from users. */
  readonly hidden: boolean;
  readonly countsRequests: boolean;
  /** `dm/uuid` of a device-mapper disk (`LVM-…`, `mpath-…`, `CRYPT-…`). */
  readonly deviceMapperUuid: string | null;
  readonly deviceMapperName: string | null;
  readonly isSoftwareRaid: boolean;
  readonly isLoop: boolean;
  /** Request-based whole disks below, by the kernel's names. */
  readonly disksBelow: readonly string[];
  /** Type of a cluster file system that is mounted from the disk (gfs2, ocfs2). */
  readonly clusterFileSystem: string | null;
}

/** Null when sysfs has no such block device. */
export function readDiskFacts(
  sysfsRoot: string,
  device: string,
  deviceNumber: DeviceNumber,
  clusterFileSystem: string | null,
): DiskFacts | null {
  const link = join(sysfsRoot, 'dev/block', formatDeviceNumber(deviceNumber));
  if (!existsSync(link)) return null;
  const folder = realpathSync(link);
  const kernelName = basename(folder);
  const isPartition = existsSync(join(folder, 'partition'));
  return {
    device,
    kernelName,
    deviceNumber,
    folder,
    partitionOf: isPartition ? basename(dirname(folder)) : null,
    sizeBytes: readNumber(folder, 'size') * 512,
    logicalBlockSizeBytes: readNumber(folder, 'queue/logical_block_size'),
    hasRequestQueue: existsSync(join(folder, 'mq')),
    zoned: readText(folder, 'queue/zoned') ?? 'none',
    hidden: readText(folder, 'hidden') === '1',
    countsRequests: readText(folder, 'queue/iostats') === '1',
    deviceMapperUuid: readText(folder, 'dm/uuid'),
    deviceMapperName: readText(folder, 'dm/name'),
    isSoftwareRaid: existsSync(join(folder, 'md')),
    isLoop: kernelName.startsWith('loop'),
    disksBelow: [...findDisksBelow(sysfsRoot, folder)].sort(),
    clusterFileSystem,
  };
}

/** Whole-disk numbers of all disks that have a queue of requests below `folder`. */
function findDisksBelow(sysfsRoot: string, folder: string): Set<string> {
  const found = new Set<string>();
  const seen = new Set<string>();
  const visit = (current: string): void => {
    if (seen.has(current)) return;
    seen.add(current);
    for (const name of listFolder(join(current, 'slaves'))) {
      const below = realpathSync(join(current, 'slaves', name));
      const whole = existsSync(join(below, 'partition')) ? dirname(below) : below;
      if (existsSync(join(whole, 'mq')) && listFolder(join(whole, 'slaves')).length === 0) found.add(basename(whole));
      else visit(whole);
    }
  };
  visit(folder);
  for (const name of multipathPaths(sysfsRoot, basename(folder))) found.add(name);
  return found;
}

/** Of an NVMe multipath head `nvme0n1`, the paths `nvme0c0n1` and so on. */
function multipathPaths(sysfsRoot: string, kernelName: string): string[] {
  const match = /^nvme(\d+)n(\d+)$/.exec(kernelName);
  if (match === null) return [];
  const pattern = new RegExp(`^nvme${match[1]}c\\d+n${match[2]}$`);
  return listFolder(join(sysfsRoot, 'block')).filter((name) => pattern.test(name));
}

/** Trimmed; null when the file is not there or cannot be read (some attributes answer with an error). */
export function readText(folder: string, file: string): string | null {
  try {
    return readFileSync(join(folder, file), 'latin1').trim();
  } catch {
    return null;
  }
}

function readNumber(folder: string, file: string): number {
  const number = Number(readText(folder, file) ?? '0');
  return Number.isSafeInteger(number) ? number : 0;
}

/** Empty when the folder is not there. */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** The number in a `dev` file; null when there is none. */
export function readDeviceNumber(folder: string): DeviceNumber | null {
  const text = readText(folder, 'dev');
  return text === null ? null : parseDeviceNumber(text);
}
