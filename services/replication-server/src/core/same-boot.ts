import { LmsError } from '@lms/errors';
import type { HelloFrame } from '@lms/block-stream';
import type { StagingLocation } from './ports.ts';

/**
 * R17. On one kernel, writing staging onto a disk that is being replicated makes every block that arrives a new write to
 * replicate: it never ends, and a freeze would hang both ends. Device numbers mean something only within one boot.
 */
export async function refuseStagingOnSource(hello: HelloFrame, location: StagingLocation): Promise<void> {
  if (hello.bootId !== location.bootId) return;
  const sources = new Set(hello.wholeDiskNumbers);
  for (const number of await location.wholeDiskNumbers()) {
    if (!sources.has(number)) continue;
    const name = `${Math.floor(number / 2 ** 20)}:${number % 2 ** 20}`;
    throw new LmsError('STAGING_ON_SOURCE', `Staging lies on the disk to be replicated (whole disk ${name})`, {
      action: 'Put the data folder of the manager or replication server on another disk, or on another machine.',
    });
  }
}
