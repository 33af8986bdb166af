/**
 * The file of an export: `FILE.tmp` until it is whole and checked, then FILE by one rename. Whatever goes wrong before,
 * FILE is as it was.
 *
 * `FILE.tmp.json` says beside it what it is the beginning of. A killed export leaves both: the next one goes on there where
 * it was asked to resume and the bytes are of the same content, and takes the file over, empty, where it was not. What was
 * there is read again first, since SHA-256 begins at the first byte.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError, withExit } from '@lms/command-line';
import { fsyncFolder, tryLock } from '@lms/linux';
import { readRecord, recordPath, removeRecord, writeRecord } from './partial-record.ts';
import type { PartialRecord } from './partial-record.ts';
import { SparseWriter } from './sparse-writer.ts';

/** How often what came is made durable: what a power loss costs. */
const DURABLE_BYTES = 256 * 1024 * 1024;
const DURABLE_MILLISECONDS = 5_000;
const READ_BYTES = 4 * 1024 * 1024;

export type ImageContent = Omit<PartialRecord, 'version' | 'durableBytes'>;

export interface ImageFileOptions {
  /** An existing FILE. */
  readonly replace: boolean;
  /** Go on with what is left of an earlier export, and leave it where this one does not come to its end. */
  readonly resume: boolean;
}

export class ImageFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #options: ImageFileOptions;
  #writer: SparseWriter;
  #hash: Hash = createHash('sha256');
  #content: ImageContent | null = null;
  #durableBytes = 0;
  #durableAt = 0;
  #open = true;

  private constructor(path: string, file: FileHandle, options: ImageFileOptions) {
    this.#path = path;
    this.#temporary = `${path}.tmp`;
    this.#file = file;
    this.#writer = new SparseWriter(file);
    this.#options = options;
  }

  /** Refuses (exit 1) where the file exists and is not to be replaced, or where another export is writing it. */
  static async create(path: string, options: ImageFileOptions): Promise<ImageFile> {
    if (!options.replace) await refuseExisting(path);
    const temporary = `${path}.tmp`;
    let file: FileHandle;
    try {
      file = await open(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot write ${temporary}`, 'Name a file in a folder that you may write to.');
    }
    if (tryLock(file.fd)) return new ImageFile(path, file, options);
    await file.close();
    throw new CommandError('failed', 'FAILED_PRECONDITION', `another export is writing ${temporary}`, {
      action: 'Wait for it, or name another file.',
    });
  }

  get lengthBytes(): number {
    return this.#writer.lengthBytes;
  }

  /** Whether there is a beginning that a later export can go on with. */
  get isResumable(): boolean {
    return this.#writer.flushedBytes > 0;
  }

  /** Hex, of what is there. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /**
   * From here on it is the beginning of this content: of what an earlier export left where that was asked for, else empty.
   * Refuses (exit 1) to go on with other content. `onRead` tells how much of what is there was read.
   */
  async begin(content: ImageContent, signal: AbortSignal, onRead: (bytes: number) => void): Promise<void> {
    const startBytes = this.#options.resume ? await this.#findStart(content) : 0;
    await this.#readAgain(startBytes, signal, onRead);
    this.#content = content;
    await this.#onFile(() => this.#restart(startBytes));
  }

  /** Away with all that is there: the content comes from its beginning. */
  async beginAnew(): Promise<void> {
    this.#hash = createHash('sha256');
    await this.#onFile(() => this.#restart(0));
  }

  async append(part: Uint8Array): Promise<void> {
    this.#hash.update(part);
    await this.#onFile(async () => {
      await this.#writer.append(part);
      const isDue = this.#writer.flushedBytes - this.#durableBytes >= DURABLE_BYTES;
      if (isDue || performance.now() - this.#durableAt >= DURABLE_MILLISECONDS) await this.#makeDurable();
    });
  }

  async end(): Promise<void> {
    await this.#onFile(async () => {
      await this.#writer.flush();
      await this.#makeDurable();
    });
  }

  /** Makes FILE of it: durable, and in one step. */
  async publish(): Promise<void> {
    if (!this.#options.replace) await refuseExisting(this.#path);
    await this.#onFile(async () => {
      await this.#file.sync();
      await rename(this.#temporary, this.#path);
      this.#open = false;
      await this.#file.close();
      await removeRecord(this.#temporary);
      await fsyncFolder(dirname(this.#path));
    });
  }

  /**
   * Removes what was not published, and leaves what an earlier export left where this one did not begin. Safe to repeat, and
   * after `publish`.
   */
  async discard(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    if (this.#content !== null || (await this.#file.stat()).size === 0) {
      await removeRecord(this.#temporary);
      await rm(this.#temporary, { force: true });
    }
    await this.#file.close();
  }

  /** Leaves what was not published, for a later export that resumes; where nothing came yet, as `discard`. */
  async leave(): Promise<void> {
    if (!this.#open || this.#content === null || !this.isResumable) return this.discard();
    this.#open = false;
    // On a full disk, say: then the record counts less than is there.
    await this.#makeDurable().catch(() => undefined);
    await this.#file.close();
  }

  async #findStart(content: ImageContent): Promise<number> {
    const { size } = await this.#file.stat();
    if (size === 0) return 0;
    const record = await readRecord(this.#temporary);
    if (record === null) {
      throw foreign(`${recordPath(this.#temporary)} does not say what ${this.#temporary} is of`);
    }
    if (record.etag !== content.etag || record.sizeBytes !== content.sizeBytes) {
      const { machine, sequence, diskId } = record;
      const same = sequence === content.sequence && diskId === content.diskId && machine === content.machine;
      const what = same ? `an earlier point ${sequence}` : `point ${sequence}, disk ${diskId}`;
      throw foreign(`${this.#temporary} is the beginning of ${what} of ${machine}, which is other content`);
    }
    return Math.min(record.durableBytes, size);
  }

  async #readAgain(lengthBytes: number, signal: AbortSignal, onRead: (bytes: number) => void): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, lengthBytes));
    for (let offset = 0; offset < lengthBytes;) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(READ_BYTES, lengthBytes - offset), offset);
      if (bytesRead === 0) throw new RangeError(`${this.#temporary} became shorter while it was read`);
      this.#hash.update(buffer.subarray(0, bytesRead));
      offset += bytesRead;
      onRead(offset);
    }
  }

  /** What lies behind `startBytes` goes: it may be torn, and what is zero is not written again. */
  async #restart(startBytes: number): Promise<void> {
    if (this.#content === null) throw new Error('not begun');
    this.#writer = new SparseWriter(this.#file, startBytes);
    await writeRecord(this.#temporary, { version: 1, ...this.#content, durableBytes: startBytes });
    await this.#file.truncate(startBytes);
    await this.#file.truncate(this.#content.sizeBytes);
    this.#durableBytes = startBytes;
    this.#durableAt = performance.now();
  }

  async #makeDurable(): Promise<void> {
    if (this.#content === null) throw new Error('not begun');
    const durableBytes = this.#writer.flushedBytes;
    if (durableBytes !== this.#durableBytes) {
      await this.#file.datasync();
      await writeRecord(this.#temporary, { version: 1, ...this.#content, durableBytes });
    }
    this.#durableBytes = durableBytes;
    this.#durableAt = performance.now();
  }

  async #onFile(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot write ${this.#path}`, 'Check the free space of the file system there.');
    }
  }
}

function foreign(what: string): CommandError {
  return new CommandError('failed', 'ALREADY_EXISTS', what, {
    action: 'Name another file, or export without --resume, which begins anew and replaces it.',
  });
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw withExit('failed', thrown, `cannot look at ${path}`);
  }
  throw new CommandError('failed', 'ALREADY_EXISTS', `${path} exists already`, {
    action: 'Name another file, or replace it with --force.',
  });
}
