/** Takes a file's clean pages out of the page cache, so that the next read comes from the device. */
import { declareSystemCall } from './c-library.ts';
import { SystemError } from './system-error.ts';

const advise = declareSystemCall('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
const DONT_NEED = 4;

/** Dirty pages stay: after a failed fsync the kernel has marked them clean, which is when this is needed. */
export async function dropFileCache(fileDescriptor: number, offsetBytes: number, lengthBytes: number): Promise<void> {
  // Returns the error number itself, and leaves errno alone.
  const errorNumber = await advise.runAsync('posix_fadvise', fileDescriptor, offsetBytes, lengthBytes, DONT_NEED);
  if (errorNumber !== 0) throw new SystemError('posix_fadvise', errorNumber);
}
