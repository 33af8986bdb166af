/** `StoreFileSystem` over one folder of the real file system. */
import { isSystemError } from '@lms/linux';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import {
  access,
  copyFile,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSystemSpace, StoreFile, StoreFileSystem } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';
import { OpenFolderFile } from './open-folder-file.ts';

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** st_blocks counts these, whatever the file system's block size. */
const STAT_BLOCK_BYTES = 512;
const PATH = /^(?:[A-Za-z0-9.][A-Za-z0-9._-]*(?:\/[A-Za-z0-9.][A-Za-z0-9._-]*)*)?$/;

export class FolderFileSystem implements StoreFileSystem {
  #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Makes the folder when it is not there; its parent must be. */
  static async open(folder: string): Promise<FolderFileSystem> {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    return new FolderFileSystem(await realpath(folder));
  }

  async create(path: string): Promise<StoreFile> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    return new OpenFolderFile(await open(this.#at(path), flags, FILE_MODE), path);
  }

  async open(path: string): Promise<StoreFile> {
    return new OpenFolderFile(await open(this.#at(path), constants.O_RDWR | constants.O_NOFOLLOW), path);
  }

  readWhole(path: string): Promise<Uint8Array> {
    return readFile(this.#at(path));
  }

  async exists(path: string): Promise<boolean> {
    try {
      await access(this.#at(path));
      return true;
    } catch (thrown) {
      if (isMissing(thrown)) return false;
      throw thrown;
    }
  }

  async list(path: string): Promise<readonly string[]> {
    try {
      return (await readdir(this.#at(path))).sort();
    } catch (thrown) {
      if (isMissing(thrown)) return [];
      throw thrown;
    }
  }

  async makeFolder(path: string): Promise<void> {
    await mkdir(this.#at(path), { recursive: true, mode: FOLDER_MODE });
  }

  rename(from: string, to: string): Promise<void> {
    return rename(this.#at(from), this.#at(to));
  }

  removeFile(path: string): Promise<void> {
    return rm(this.#at(path), { force: true });
  }

  removeFolder(path: string): Promise<void> {
    if (path === '') throw new RangeError('The store never removes its own folder');
    return rm(this.#at(path), { force: true, recursive: true });
  }

  async syncFolder(path: string, _step: SyncStep): Promise<void> {
    const folder = await open(this.#at(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  clone(from: string, to: string): Promise<void> {
    return copyFile(this.#at(from), this.#at(to), constants.COPYFILE_FICLONE_FORCE);
  }

  async canClone(): Promise<boolean> {
    const name = `.clone-probe-${randomUUID()}`;
    try {
      await writeFile(this.#at(name), new Uint8Array(4096), { mode: FILE_MODE });
      await this.clone(name, `${name}-2`);
      return true;
    } catch (thrown) {
      if (isRefusedClone(thrown)) return false;
      throw thrown;
    } finally {
      await rm(this.#at(name), { force: true });
      await rm(this.#at(`${name}-2`), { force: true });
    }
  }

  async space(): Promise<FileSystemSpace> {
    const { bsize, blocks, bavail } = await statfs(this.#root);
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  }

  async usedBytes(path: string): Promise<number> {
    const at = this.#at(path);
    let entry: Stats;
    try {
      entry = await lstat(at);
    } catch (thrown) {
      // Beside us, points come and go.
      if (isMissing(thrown)) return 0;
      throw thrown;
    }
    let bytes = entry.blocks * STAT_BLOCK_BYTES;
    if (entry.isDirectory())
      for (const name of await this.list(path)) bytes += await this.usedBytes(path === '' ? name : `${path}/${name}`);
    return bytes;
  }

  /** Names are ours, but a file system is no place to trust: nothing above the folder, no absolute path, no empty part. */
  #at(path: string): string {
    if (!PATH.test(path) || path.split('/').some((part) => part === '.' || part === '..')) {
      throw new RangeError(`${path} is no path within a staging folder`);
    }
    return join(this.#root, path);
  }
}

function isMissing(thrown: unknown): boolean {
  return isSystemError(thrown, 'ENOENT');
}

/** What kernels say where FICLONE is not to be had. */
function isRefusedClone(thrown: unknown): boolean {
  const names = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EXDEV', 'ENOTTY', 'EPERM'];
  return names.some((name) => isSystemError(thrown, name));
}
