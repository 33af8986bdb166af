/**
 * Thawing without the guardian: by the agent when the guardian is gone, and by the next agent when both were.
 * Only what the freeze list says that we froze.
 */
import { existsSync } from 'node:fs';
import { thawFileSystemAsync } from '@lms/linux';
import { freezeListPath, readFreezeList, removeFreezeList, type FreezeListEntry } from './freeze-list.ts';
import { readMountTable } from './mount-table.ts';
import { closeSuperblocks, openSuperblocks, type OpenSuperblock } from './open-mounts.ts';

function mayBeFrozen(entry: FreezeListEntry): boolean {
  return entry.mark === 'f' || entry.mark === 'F';
}

/** Parents first, all at once. Those that were not frozen (any more) are passed over. */
export async function thawListed(listPath: string, opened: readonly OpenSuperblock[]): Promise<void> {
  const listed = new Set(
    readFreezeList(listPath)
      .filter(mayBeFrozen)
      .map((entry) => entry.deviceNumber),
  );
  const thaws = opened
    .filter(({ deviceNumber }) => listed.has(deviceNumber))
    .reverse()
    .map(({ fileDescriptor, path }) => thawFileSystemAsync(fileDescriptor, path));
  await Promise.allSettled(thaws); // EINVAL: the guardian had thawed it after all
}

/** At the agent's start. Returns the paths that were thawed (or found not frozen). */
export async function thawLeftovers(runtimeFolder: string): Promise<string[]> {
  const listPath = freezeListPath(runtimeFolder);
  if (!existsSync(listPath)) return [];
  const entries = readFreezeList(listPath).filter(mayBeFrozen);
  const rows = entries.length === 0 ? [] : readMountTable();
  const opened = entries.flatMap(({ deviceNumber }) => {
    const mounts = rows.filter((row) => row.deviceNumber === deviceNumber);
    try {
      return openSuperblocks([{ deviceNumber, mounts }]);
    } catch {
      return []; // no longer mounted
    }
  });
  await thawListed(listPath, opened);
  closeSuperblocks(opened);
  removeFreezeList(listPath);
  return opened.map(({ path }) => path);
}
