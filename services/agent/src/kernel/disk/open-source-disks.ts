/** From paths that a user wrote to admitted, open disks (R6, R7). */
import { closeSync, statSync } from 'node:fs';
import { LmsError, toLmsError } from '@lms/errors';
import { allocateAlignedMemory, deviceIdToKernelNumber, loopBacking } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import { readBootId } from '../runtime/boot-id.ts';
import { admitDisk, MINIMUM_DISK_BYTES } from './admission.ts';
import { readDiskFacts, type DiskFacts } from './disk-facts.ts';
import { clusterFileSystemOn } from './cluster-file-system.ts';
import { SIGNATURE_BYTES, diskIdentity, hardwareIdentity, loopIdentity, tableIdentity } from './identity.ts';
import { KernelSourceDisk, diskGeneration, openDirect, readFully, type OpenSourceDisk } from './source-disk.ts';

const SYSFS_ROOT = '/sys';

/**
 * A disk that was identified in this boot already. Asking some disks for their serial number (virtio, SCSI) is a request
 * without a range on the disk itself, which the tracker of an agent that is restarted must take for a loss (R2).
 */
export interface KnownDisk {
  readonly diskId: string;
  readonly deviceNumber: DeviceNumber;
  readonly sizeBytes: number;
  readonly generation: string;
}

/** All or none. Every refusal names the disk, why, and what to do. The caller closes them. */
export async function openSourceDisks(
  paths: readonly string[],
  known: readonly KnownDisk[] = [],
): Promise<OpenSourceDisk[]> {
  const disks: KernelSourceDisk[] = [];
  try {
    for (const path of paths) {
      const facts = inspectDevice(path);
      refuseTwice(disks, 'deviceNumber', facts.deviceNumber, path, 'are the same disk');
      const disk = await openAdmittedDisk(facts, known);
      disks.push(disk);
      refuseTwice(disks.slice(0, -1), 'diskId', disk.diskId, path, `cannot be told apart (${disk.diskId})`);
    }
    return disks;
  } catch (thrown) {
    await Promise.all(disks.map((disk) => disk.close()));
    throw thrown;
  }
}

/**
 * For measurements, which need no identity: an agent that replicates the same disks would take the question for a loss (R2).
 * The disk's path stands where its identity would.
 */
export async function openUnidentifiedDisks(paths: readonly string[]): Promise<OpenSourceDisk[]> {
  const known = paths.map((path): KnownDisk => {
    const facts = inspectDevice(path);
    const { deviceNumber, sizeBytes } = facts;
    return { diskId: path, deviceNumber, sizeBytes, generation: diskGeneration(facts, readBootId()) };
  });
  return openSourceDisks(paths, known);
}

/** Facts of the device at this path; throws its refusal. */
export function inspectDevice(path: string): DiskFacts {
  const deviceNumber = blockDeviceNumber(path);
  const facts = readDiskFacts(SYSFS_ROOT, path, deviceNumber, clusterFileSystemOn(deviceNumber));
  if (facts === null) throw notFound(path, 'is not known to the kernel (any more)');
  const admission = admitDisk(facts);
  if (!admission.admitted) throw admission.refusal;
  return facts;
}

async function openAdmittedDisk(facts: DiskFacts, known: readonly KnownDisk[]): Promise<KernelSourceDisk> {
  let fileDescriptor: number;
  try {
    fileDescriptor = await openDirect(facts.device);
  } catch (thrown) {
    throw toLmsError(thrown, `${facts.device} cannot be opened`);
  }
  try {
    const diskId = knownIdentity(facts, known) ?? (await identify(facts, fileDescriptor));
    return new KernelSourceDisk(facts, diskId, readBootId(), fileDescriptor);
  } catch (thrown) {
    closeSync(fileDescriptor);
    throw thrown;
  }
}

/** The same device, medium, size and boot: the same disk, without asking it. */
function knownIdentity(facts: DiskFacts, known: readonly KnownDisk[]): string | null {
  const generation = diskGeneration(facts, readBootId());
  const found = known.find(
    (disk) =>
      disk.deviceNumber === facts.deviceNumber && disk.sizeBytes === facts.sizeBytes && disk.generation === generation,
  );
  return found?.diskId ?? null;
}

async function identify(facts: DiskFacts, fileDescriptor: number): Promise<string> {
  const hardware = hardwareIdentity(facts.folder);
  if (hardware !== null) return diskIdentity(facts.device, facts.sizeBytes, [hardware]);
  if (facts.isLoop) {
    const backing = loopBacking(fileDescriptor, facts.device);
    return diskIdentity(facts.device, facts.sizeBytes, [loopIdentity(backing)]);
  }
  const start = allocateAlignedMemory(Math.min(SIGNATURE_BYTES, MINIMUM_DISK_BYTES));
  await readFully(fileDescriptor, facts.device, 0, start);
  return diskIdentity(facts.device, facts.sizeBytes, [tableIdentity(start, facts.logicalBlockSizeBytes)]);
}

function blockDeviceNumber(path: string): DeviceNumber {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) throw notFound(path, 'does not exist');
  if (status.isBlockDevice()) return deviceIdToKernelNumber(status.rdev);
  throw new LmsError('INVALID_ARGUMENT', `${path} is not a disk (block device)`, {
    action: 'Give a whole disk such as /dev/sda; lsblk lists them.',
    field: 'disks',
  });
}

function notFound(path: string, why: string): LmsError {
  return new LmsError('NOT_FOUND', `${path} ${why}`, { action: 'See which disks there are: lsblk.', field: 'disks' });
}

function refuseTwice<Key extends 'deviceNumber' | 'diskId'>(
  disks: readonly KernelSourceDisk[],
  key: Key,
  value: KernelSourceDisk[Key],
  path: string,
  why: string,
): void {
  const other = disks.find((disk) => disk[key] === value);
  if (other === undefined) return;
  throw new LmsError('INVALID_ARGUMENT', `${other.device} and ${path} ${why}`, {
    action: 'Give each disk once, and give disks that were cloned identities of their own (a new GPT UUID).',
    field: 'disks',
  });
}
