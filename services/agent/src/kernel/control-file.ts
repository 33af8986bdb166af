/**
 * Files of tracefs and sysfs that are read again and again: kept open, which saves the walk of the path (6 µs each
 * time) and keeps the kernel's object, so that nobody can put another one of the same name in its place unseen.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const MAXIMUM_BYTES = 8192;
const buffer = Buffer.alloc(MAXIMUM_BYTES);

export class ControlFile {
  readonly path: string;
  readonly #fileDescriptor: number;

  constructor(path: string) {
    this.path = path;
    this.#fileDescriptor = openSync(path, 'r');
  }

  /** The first 8 KiB as they are now. */
  read(): string {
    let length = 0;
    while (length < MAXIMUM_BYTES) {
      const count = readSync(this.#fileDescriptor, buffer, length, MAXIMUM_BYTES - length, length);
      if (count === 0) break;
      length += count;
    }
    return buffer.toString('latin1', 0, length);
  }

  close(): void {
    closeSync(this.#fileDescriptor);
  }
}
