/**
 * The file operations that a staging store is built of: few, so that the simulated ones can drop, tear and reorder
 * everything that was not fsynced (files and folder entries alike), and so that each durability step is visible.
 *
 * Paths are relative to the machine's folder, with `/`; '' is that folder. Errors are Node's, with their `code`.
 */
import type { SyncStep } from './sync-steps.ts';

export interface StoreFile {
  /** Reads exactly `target.length` bytes; past the end of file reads zeros. */
  read(offsetBytes: number, target: Uint8Array): Promise<void>;
  /** Writes all of `data` (several buffers: one after another), growing the file where needed. Durable only after `sync`. */
  write(offsetBytes: number, data: Uint8Array | readonly Uint8Array[]): Promise<void>;
  /** Makes a range read as zeros, giving its space back where the file system can. The size stays. */
  punch(offsetBytes: number, lengthBytes: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  /** fsync of data and metadata. An error is final (R14): the caller gives the store up. */
  sync(step: SyncStep): Promise<void>;
  /**
   * Forgets cached pages that are not waiting to be written, so that reads tell what the medium holds: after a failed
   * fsync the kernel keeps pages that it calls clean and that were never written.
   */
  dropCache(): Promise<void>;
  close(): Promise<void>;
}

export interface FileSystemSpace {
  readonly totalBytes: number;
  /** Available to this process. */
  readonly freeBytes: number;
}

export interface StoreFileSystem {
  /** `create`: new or emptied; `open`: must exist, read and write. Mode 0600. */
  create(path: string): Promise<StoreFile>;
  open(path: string): Promise<StoreFile>;
  readWhole(path: string): Promise<Uint8Array>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder, sorted; [] when the folder does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Makes the folder and its parents; durable after `syncFolder` of each parent. Mode 0700. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file that is still open stays readable until it is closed. Nothing happens when there is none. */
  removeFile(path: string): Promise<void>;
  /** Removes a folder and all that is in it; not atomic. Nothing happens when there is none. */
  removeFolder(path: string): Promise<void>;
  syncFolder(path: string, step: SyncStep): Promise<void>;
  /** FICLONE: `to` shares the blocks of `from`. Rejects where the file system cannot. The clone is durable after its `sync`. */
  clone(from: string, to: string): Promise<void>;
  /** Whether `clone` works here, found out by trying. */
  canClone(): Promise<boolean>;
  space(): Promise<FileSystemSpace>;
  /** Bytes occupied under a path. */
  usedBytes(path: string): Promise<number>;
}
