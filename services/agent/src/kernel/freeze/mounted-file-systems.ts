import type { DeviceNumber } from '@lms/block-stream';
import { readBlockGraph } from './block-graph.ts';
import { findSuperblocks } from './find-superblocks.ts';
import { readMountTable } from './mount-table.ts';

/** Writable ones on these disks: what a freezer would freeze, for who does not need a guardian. */
export function countMountedFileSystems(disks: readonly { readonly deviceNumber: DeviceNumber }[]): number {
  const deviceNumbers = disks.map(({ deviceNumber }) => deviceNumber);
  return findSuperblocks(deviceNumbers, readMountTable(), readBlockGraph()).length;
}
