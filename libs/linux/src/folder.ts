/** Makes a rename, a new file or a removal in this folder survive power loss (R14). */
import { open } from 'node:fs/promises';

export async function fsyncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
