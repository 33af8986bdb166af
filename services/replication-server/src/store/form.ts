/**
 * The two ways to keep points in time. `MachineStore` does what is the same in both (order of calls, disks, marks, the
 * catalogue of points, retention, space); a form keeps bytes. Slots, not indexes, name disks here.
 */
import type { MarkPosition } from './record/mark-record.ts';
import type { StoredDisk } from './record/machine-record.ts';
import type { PointManifest } from './point/point-manifest.ts';

/** What a form reads of one point; the use of the point is counted by `MachineStore`. */
export interface FormReader {
  read(disk: StoredDisk, offsetBytes: number, target: Uint8Array): Promise<void>;
  digests(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What the manifest says of it. */
export interface PreparedPoint {
  readonly throughSegment: number;
  /** Bytes of blocks written since the point before. */
  readonly changedBytes: number;
}

export interface StoreForm {
  readonly name: 'reflink' | 'journal';
  /** Recovers; returns the last durable mark that it keeps by itself (journal segments), else null. */
  open(disks: readonly StoredDisk[], isClean: boolean): Promise<MarkPosition | null>;
  /** Their files are durable when it returns. */
  addDisks(disks: readonly StoredDisk[]): Promise<void>;
  /** Forgets all other disks. Points that have them keep what they need. */
  keepDisks(disks: readonly StoredDisk[]): Promise<void>;
  isEmpty(disk: StoredDisk): boolean;
  /** Blocks without a digest, or with a write that failed half-way. */
  incompleteBlocks(disk: StoredDisk): number;
  tornBlocks(disk: StoredDisk): number;

  write(disk: StoredDisk, firstBlock: number, blockCount: number, data: Uint8Array, digests: Uint8Array): Promise<void>;
  zero(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<void>;
  digests(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array>;
  /** All that was written before is durable, and so is the mark. */
  mark(position: MarkPosition): Promise<void>;

  /** Makes the content of a point durable, in `folder` or elsewhere. */
  preparePoint(folder: string, disks: readonly StoredDisk[]): Promise<PreparedPoint>;
  /** The manifest is committed. */
  pointCommitted(manifest: PointManifest): Promise<void>;
  openPoint(manifest: PointManifest): Promise<FormReader>;
  /** Gives back what no point needs any more, as far as no reader is in the way. May run beside everything else. */
  reclaim(signal: AbortSignal): Promise<void>;

  usedBytes(points: readonly PointManifest[]): Promise<number>;
  /** Everything is durable and trusted at the next opening; false when that cannot be said. */
  settle(): Promise<boolean>;
  close(): Promise<void>;
}
