/**
 * Opens superblocks for FIFREEZE, before anything is frozen: afterwards the lookup of a path could wait for the thaw.
 *
 * A mount point may be covered by another mount, or its namespace may have gone: each mount of the superblock is tried,
 * and what was opened is compared with what was meant.
 */
import { closeSync, lstatSync, openSync } from 'node:fs';
import { LmsError } from '@lms/errors';
import type { DeviceNumber } from '@lms/block-stream';
import { mountIdOf } from './mount-table.ts';

export interface MountReference {
  readonly mountId: number;
  readonly path: string;
}

export interface SuperblockReference {
  readonly deviceNumber: DeviceNumber;
  readonly mounts: readonly MountReference[];
}

export interface OpenSuperblock {
  readonly deviceNumber: DeviceNumber;
  readonly path: string;
  readonly fileDescriptor: number;
}

/** All or none. */
export function openSuperblocks(superblocks: readonly SuperblockReference[]): OpenSuperblock[] {
  const opened: OpenSuperblock[] = [];
  try {
    for (const superblock of superblocks) opened.push(openSuperblock(superblock));
    return opened;
  } catch (thrown) {
    closeSuperblocks(opened);
    throw thrown;
  }
}

export function closeSuperblocks(opened: readonly OpenSuperblock[]): void {
  for (const { fileDescriptor } of opened) closeSync(fileDescriptor);
}

function openSuperblock({ deviceNumber, mounts }: SuperblockReference): OpenSuperblock {
  for (const { mountId, path } of mounts) {
    const fileDescriptor = tryOpen(path);
    if (fileDescriptor === null) continue;
    if (mountIdOf(fileDescriptor) === mountId) return { deviceNumber, path, fileDescriptor };
    closeSync(fileDescriptor);
  }
  const paths = mounts.map(({ path }) => path).join(', ');
  throw new LmsError('FAILED_PRECONDITION', `the file system at ${paths} cannot be opened`, {
    action: 'See whether another file system is mounted over it.',
  });
}

/** Folders and files only: opening a device or a pipe that is mounted there would do something. */
function tryOpen(path: string): number | null {
  try {
    const status = lstatSync(path);
    if (!status.isDirectory() && !status.isFile()) return null;
    return openSync(path, 'r');
  } catch {
    return null;
  }
}
