/** The machine's secret key of digests (R15): 32 random bytes in a file of mode 0600, made once. */
import { randomBytes } from 'node:crypto';
import { LmsError } from '@lms/errors';
import type { StoreFileSystem } from '../store-file-system.ts';

const KEY_FILE = 'digest.key';
const KEY_BYTES = 32;

/**
 * `isNew`: nothing was ever stored under a key, so one is made, also over one that is there: an fsync that failed in an earlier
 * attempt may have left a key that only the page cache has.
 */
export async function ensureDigestKey(files: StoreFileSystem, isNew: boolean): Promise<Uint8Array> {
  if (!isNew) {
    if (await files.exists(KEY_FILE)) {
      const key = await files.readWhole(KEY_FILE);
      if (key.length === KEY_BYTES && key.some((byte) => byte !== 0)) return key;
    }
    throw new LmsError(
      'DATA_LOSS',
      `The staging folder has lost ${KEY_FILE}, without which no digest can be compared`,
      {
        action: 'Restore the file, or remove the machine’s staging folder to replicate it anew',
      },
    );
  }
  const key = randomBytes(KEY_BYTES);
  const file = await files.create(KEY_FILE);
  try {
    await file.write(0, key);
    await file.sync('open.key-file');
  } finally {
    await file.close();
  }
  return key;
}
