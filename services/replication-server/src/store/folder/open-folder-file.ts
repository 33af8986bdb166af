/** An open file of the real file system. */
import { dropFileCache, isSystemError, punchHole } from '@lms/linux';
import type { FileHandle } from 'node:fs/promises';
import type { StoreFile } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';

/** Written where a file system knows no holes. */
const ZEROS = new Uint8Array(1024 * 1024);

export class OpenFolderFile implements StoreFile {
  #handle: FileHandle;
  #path: string;
  #open = true;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async read(offsetBytes: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, offsetBytes + done);
      if (bytesRead === 0) {
        target.fill(0, done);
        return;
      }
      done += bytesRead;
    }
  }

  async write(offsetBytes: number, data: Uint8Array | readonly Uint8Array[]): Promise<void> {
    if (data instanceof Uint8Array) {
      await this.#writeAll(offsetBytes, data);
      return;
    }
    const { bytesWritten } = await this.#handle.writev(data, offsetBytes);
    // The kernel may take less (a signal, a nearly full disk): the rest goes one by one, and meets the error if there is one.
    let skip = bytesWritten;
    let position = offsetBytes;
    for (const part of data) {
      if (skip < part.length) await this.#writeAll(position + skip, part.subarray(skip));
      skip = Math.max(0, skip - part.length);
      position += part.length;
    }
  }

  async punch(offsetBytes: number, lengthBytes: number): Promise<void> {
    try {
      punchHole(this.#handle.fd, offsetBytes, lengthBytes, this.#path);
    } catch (thrown) {
      if (!isSystemError(thrown, 'EOPNOTSUPP') && !isSystemError(thrown, 'ENOTSUP')) throw thrown;
      for (let done = 0; done < lengthBytes; done += ZEROS.length) {
        await this.#writeAll(offsetBytes + done, ZEROS.subarray(0, Math.min(ZEROS.length, lengthBytes - done)));
      }
    }
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  sync(_step: SyncStep): Promise<void> {
    return this.#handle.sync();
  }

  dropCache(): Promise<void> {
    return dropFileCache(this.#handle.fd, 0, 0);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  async #writeAll(offsetBytes: number, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length;) {
      const { bytesWritten } = await this.#handle.write(data, done, data.length - done, offsetBytes + done);
      done += bytesWritten;
    }
  }
}
