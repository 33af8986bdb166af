/** Small files that must be whole after power loss: tmp, fsync, rename, fsync of the folder (R14). */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsyncFolder } from '@lms/linux';

export async function replaceDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await fsyncFolder(dirname(path));
}
