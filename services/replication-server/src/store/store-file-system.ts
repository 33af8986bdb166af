/**
 * The file operations that a staging store is built of: few, so that the simulated ones can drop, tear and reorder
 * everything that was not fsynced (files and folder entries alike), and so that each durability step is visible.
 *
 * Paths are relative to the machine's folder, with `/`. Errors are Node's, with their `code`.
 */
export interface StoreFile {
  /** Reads exactly `target.length` bytes; past the end of file reads zeros. */
  read(offsetBytes: number, target: Uint8Array): Promise<void>;
  /** Writes all of `data`, growing the file where needed. Durable only after `sync`. */
  write(offsetBytes: number, data: Uint8Array): Promise<void>;
  /** Makes a range read as zeros, giving its space back where the file system can. */
  punch(offsetBytes: number, lengthBytes: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  /** fsync of data and metadata. An error is final (R14): the caller gives the store up. */
  sync(): Promise<void>;
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
  removeFile(path: string): Promise<void>;
  /** Removes a folder and all that is in it; not atomic. */
  removeFolder(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** FICLONE: `to` shares the blocks of `from`. Rejects where the file system cannot. The clone is durable after its `sync`. */
  clone(from: string, to: string): Promise<void>;
  /** Whether `clone` works here, found out by trying. */
  canClone(): Promise<boolean>;
  space(): Promise<FileSystemSpace>;
  /** Bytes occupied under a path. */
  usedBytes(path: string): Promise<number>;
}
