/** Files that survive power loss whole: tmp → fsync → rename → fsync of the folder (R14). */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsyncFolder } from '@lms/linux';

/** Mode 0600. A reader sees the old content or the new, never a part. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await fsyncFolder(dirname(path));
}
