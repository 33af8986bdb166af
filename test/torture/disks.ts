/** Small enough that every point can be compared after every cut, large enough that the kernel writes back in pieces. */
import type { SourceDisk } from '@lms/replication-server/store-test-support';

export const TORTURE_DISKS: readonly SourceDisk[] = [
  { diskId: 'torture-a', device: '/dev/sda', sizeBytes: 6 * 1024 * 1024 + 1536 },
  { diskId: 'torture-b', device: '/dev/sdb', sizeBytes: 2 * 1024 * 1024 },
];
