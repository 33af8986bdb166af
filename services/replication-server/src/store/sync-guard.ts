/**
 * Remembers that the file system failed (R14). After a failed fsync the kernel calls pages clean that were never written,
 * so a second fsync proves nothing: from then on every call fails with the first error, until the store is opened anew,
 * and opening believes only what was marked durable before.
 *
 * A full disk is no failure: ENOSPC and EDQUOT from anything but a sync are told, and the store goes on.
 */
import { LmsError, toLmsError } from '@lms/errors';
import type { StoreFile, StoreFileSystem } from './store-file-system.ts';

export function isOutOfSpace(thrown: unknown): boolean {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return false;
  return thrown.code === 'ENOSPC' || thrown.code === 'EDQUOT';
}

export class SyncGuard {
  #failure: LmsError | null = null;
  #open = new Set<StoreFile>();

  /** Throws the error that ended the store, if one did. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** What is still open: of an opening that failed half-way, or of readers that outlive their store. */
  async closeAll(): Promise<void> {
    for (const file of this.#open) await file.close();
    this.#open.clear();
  }

  guard(files: StoreFileSystem): StoreFileSystem {
    const changing = <Result>(what: string, run: () => Promise<Result>): Promise<Result> => this.#run(what, false, run);
    return {
      create: (path) => changing(`creating ${path}`, async () => this.#guardFile(await files.create(path), path)),
      open: async (path) => this.#guardFile(await files.open(path), path),
      readWhole: (path) => files.readWhole(path),
      exists: (path) => files.exists(path),
      list: (path) => files.list(path),
      makeFolder: (path) => changing(`making ${path}`, () => files.makeFolder(path)),
      rename: (from, to) => this.#run(`renaming ${from} to ${to}`, true, () => files.rename(from, to)),
      removeFile: (path) => changing(`removing ${path}`, () => files.removeFile(path)),
      removeFolder: (path) => changing(`removing ${path}`, () => files.removeFolder(path)),
      syncFolder: (path, step) =>
        this.#run(`fsync of folder ${path === '' ? '.' : path} (${step})`, true, () => files.syncFolder(path, step)),
      clone: (from, to) => changing(`cloning ${from}`, () => files.clone(from, to)),
      canClone: () => files.canClone(),
      space: () => files.space(),
      usedBytes: (path) => files.usedBytes(path),
    };
  }

  #guardFile(file: StoreFile, path: string): StoreFile {
    this.#open.add(file);
    return {
      read: (offsetBytes, target) => file.read(offsetBytes, target),
      write: (offsetBytes, data) => this.#run(`writing ${path}`, false, () => file.write(offsetBytes, data)),
      punch: (offsetBytes, lengthBytes) =>
        this.#run(`punching ${path}`, false, () => file.punch(offsetBytes, lengthBytes)),
      truncate: (sizeBytes) => this.#run(`truncating ${path}`, false, () => file.truncate(sizeBytes)),
      size: () => file.size(),
      sync: (step) => this.#run(`fsync of ${path} (${step})`, true, () => file.sync(step)),
      dropCache: () => file.dropCache(),
      close: () => {
        this.#open.delete(file);
        return file.close();
      },
    };
  }

  async #run<Result>(what: string, isFinal: boolean, run: () => Promise<Result>): Promise<Result> {
    this.check();
    try {
      return await run();
    } catch (thrown) {
      if (isFinal || !isOutOfSpace(thrown)) {
        const cause = toLmsError(thrown);
        this.#failure ??= new LmsError(cause.code, `The staging file system failed: ${what}: ${cause.message}`, {
          action:
            'Look at the kernel log for errors of that disk; the store is opened again from its last durable mark',
          cause: thrown,
        });
        throw this.#failure;
      }
      throw thrown;
    }
  }
}
