import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsyncFolder } from '@lms/linux';

/** Replaces a small file, mode 0600: temporary file, fsync, rename, fsync of the folder. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await fsyncFolder(dirname(path));
}
