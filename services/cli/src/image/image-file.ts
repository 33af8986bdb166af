/**
 * The file of an export: `FILE.tmp` until it is whole and checked, then FILE by one rename. Whatever goes wrong before,
 * FILE is as it was and `FILE.tmp` is gone; a killed export leaves a `FILE.tmp` that the next one takes over.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError, withExit } from '@lms/command-line';
import { fsyncFolder, tryLock } from '@lms/linux';
import { SparseWriter } from './sparse-writer.ts';

export class ImageFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #writer: SparseWriter;
  readonly #hash = createHash('sha256');
  readonly #replace: boolean;
  #open = true;

  private constructor(path: string, file: FileHandle, replace: boolean) {
    this.#path = path;
    this.#file = file;
    this.#writer = new SparseWriter(file);
    this.#replace = replace;
  }

  /** Refuses (exit 1) where the file exists and is not to be replaced, or where another export is writing it. */
  static async create(path: string, { replace }: { readonly replace: boolean }): Promise<ImageFile> {
    if (!replace) await refuseExisting(path);
    const temporary = `${path}.tmp`;
    let file: FileHandle;
    try {
      file = await open(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot write ${temporary}`, 'Name a file in a folder that you may write to.');
    }
    if (tryLock(file.fd)) return new ImageFile(path, file, replace);
    await file.close();
    throw new CommandError('failed', 'FAILED_PRECONDITION', `another export is writing ${temporary}`, {
      action: 'Wait for it, or name another file.',
    });
  }

  get lengthBytes(): number {
    return this.#writer.lengthBytes;
  }

  /** Hex, of what was appended. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  async begin(sizeBytes: number): Promise<void> {
    await this.#onFile(async () => {
      await this.#file.truncate(0);
      await this.#file.truncate(sizeBytes);
    });
  }

  async append(part: Uint8Array): Promise<void> {
    this.#hash.update(part);
    await this.#onFile(() => this.#writer.append(part));
  }

  async end(): Promise<void> {
    await this.#onFile(() => this.#writer.flush());
  }

  /** Makes FILE of it: durable, and in one step. */
  async publish(): Promise<void> {
    if (!this.#replace) await refuseExisting(this.#path);
    await this.#onFile(async () => {
      await this.#file.sync();
      await rename(`${this.#path}.tmp`, this.#path);
      this.#open = false;
      await this.#file.close();
      await fsyncFolder(dirname(this.#path));
    });
  }

  /** Removes what was not published. Safe to repeat, and after `publish`. */
  async discard(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await rm(`${this.#path}.tmp`, { force: true });
    await this.#file.close();
  }

  async #onFile(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot write ${this.#path}`, 'Check the free space of the file system there.');
    }
  }
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
