/**
 * Writes a stream into a file and leaves out what is zero: the file is made with its full size first, so what was never
 * written reads as zeros and takes no room.
 *
 * Mechanism: blocks of 64 KiB at their own offsets, whatever the sizes of the parts that arrive; neighbouring blocks that
 * hold data are written with one call. Downside: data that is zero in fewer than 64 KiB is written.
 */
import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 65_536;
/** Parts of a TLS stream are 16 KiB; writing them one by one would cost a system call each. */
const BUFFER_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export class SparseWriter {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #buffered = 0;
  #flushedBytes = 0;

  /** `startBytes`: what the file has already, a multiple of the block's size or all of it. */
  constructor(file: FileHandle, startBytes = 0) {
    this.#file = file;
    this.#flushedBytes = startBytes;
  }

  /** How much of it is in the file, and not in memory only. */
  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  /** How much has been given to it. */
  get lengthBytes(): number {
    return this.#flushedBytes + this.#buffered;
  }

  async append(part: Uint8Array): Promise<void> {
    for (let taken = 0; taken < part.length;) {
      const length = Math.min(BUFFER_BYTES - this.#buffered, part.length - taken);
      this.#buffer.set(part.subarray(taken, taken + length), this.#buffered);
      this.#buffered += length;
      taken += length;
      if (this.#buffered === BUFFER_BYTES) await this.flush();
    }
  }

  /** At the end only: the next block would no longer begin at a multiple of its size. */
  async flush(): Promise<void> {
    let runStart = 0;
    for (let start = 0; start < this.#buffered; start += BLOCK_BYTES) {
      const end = Math.min(start + BLOCK_BYTES, this.#buffered);
      if (!this.#buffer.subarray(start, end).equals(ZEROS.subarray(0, end - start))) continue;
      await this.#write(runStart, start);
      runStart = end;
    }
    await this.#write(runStart, this.#buffered);
    this.#flushedBytes += this.#buffered;
    this.#buffered = 0;
  }

  async #write(start: number, end: number): Promise<void> {
    for (let written = start; written < end;) {
      const { bytesWritten } = await this.#file.write(
        this.#buffer,
        written,
        end - written,
        this.#flushedBytes + written,
      );
      written += bytesWritten;
    }
  }
}
