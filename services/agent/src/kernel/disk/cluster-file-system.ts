/** R6: whether a disk holds a mounted file system that other machines write to at the same time. */
import type { DeviceNumber } from '@lms/block-stream';
import { closure, readBlockGraph } from '../freeze/block-graph.ts';
import { readMountTable } from '../freeze/mount-table.ts';

const CLUSTER_FILE_SYSTEMS: ReadonlySet<string> = new Set(['gfs2', 'ocfs2']);

/** Its type, or null. */
export function clusterFileSystemOn(deviceNumber: DeviceNumber): string | null {
  const devices = closure(readBlockGraph(), [deviceNumber]);
  const mount = readMountTable().find(
    (row) => CLUSTER_FILE_SYSTEMS.has(row.fileSystemType) && devices.has(row.deviceNumber),
  );
  return mount?.fileSystemType ?? null;
}
