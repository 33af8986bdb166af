/**
 * What the replication server's core asks of a staging store: one machine's replica and its points in time.
 * Two forms implement it with the same guarantees (R12 to R15): `reflink` and `journal` (docs/staging-format.md).
 *
 * Calls that change the store are made by one session at a time and are awaited in order; `openPoint`, `verifyPoint`,
 * `pinPoint`, `deletePoint` and `applyRetention` may run beside them.
 */
import type { PointConsistency } from '@lms/block-stream';

export interface StagingDisk {
  readonly diskId: string;
  readonly diskIndex: number;
  readonly device: string;
  readonly sizeBytes: number;
}

export interface CheckpointRequest {
  readonly checkpointId: string;
  readonly mapEpoch: string;
  readonly markId: number;
  readonly consistency: PointConsistency;
  readonly instantMicroseconds: number;
  readonly pauseMicroseconds: number;
  readonly requestId: string;
}

export interface StagedPoint {
  /** 1, 2, 3 … per machine; only this orders points. */
  readonly sequence: number;
  readonly checkpointId: string;
  readonly requestId: string;
  readonly consistency: PointConsistency;
  readonly instantMicroseconds: number;
  readonly pauseMicroseconds: number;
  /** Retention and deletion leave it. */
  readonly pinned: boolean;
  /** The disks of the machine at that instant, all of them (R13). */
  readonly disks: readonly StagingDisk[];
}

/** A row of the retention policy: of every `everySeconds`, keep the newest point, for `keepSeconds`. */
export interface RetentionRow {
  readonly everySeconds: number;
  readonly keepSeconds: number;
}

export interface PointReader {
  readonly point: StagedPoint;
  /** Fills `target` from `offsetBytes` of the disk; the range lies within the disk. */
  read(diskIndex: number, offsetBytes: number, target: Uint8Array): Promise<void>;
  /** The stored digests (16 bytes a block) of `blockCount` blocks. */
  digests(diskIndex: number, firstBlock: number, blockCount: number): Promise<Uint8Array>;
  /** Until then the point is in use: retention and deletion leave it. */
  close(): Promise<void>;
}

export interface VerifyMismatch {
  readonly diskId: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface VerifyReport {
  readonly sequence: number;
  readonly blocksChecked: number;
  /** The first 1,000 ranges that do not match. */
  readonly mismatches: readonly VerifyMismatch[];
  readonly mismatchedBlocks: number;
  /** SHA-256 (hex) of each whole raw disk, by disk id. */
  readonly sha256: Readonly<Record<string, string>>;
}

export interface StagingStore {
  readonly form: 'reflink' | 'journal';
  /** 32 bytes; made at the store's first opening, mode 0600. */
  readonly digestKey: Uint8Array;

  disks(): readonly StagingDisk[];
  /**
   * Makes sure that the store has these disks, in this order of index; returns for each whether the store holds nothing of it.
   * A known disk with another size is FAILED_PRECONDITION.
   */
  ensureDisks(
    disks: readonly Omit<StagingDisk, 'diskIndex'>[],
  ): Promise<readonly { disk: StagingDisk; empty: boolean }[]>;

  /** `data` is whole blocks (the disk's last may be short) whose digests were verified. STAGING_FULL at the floor of free space. */
  write(
    diskIndex: number,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void>;
  zero(diskIndex: number, firstBlock: number, blockCount: number): Promise<void>;
  /**
   * Digests of the replica as it is after every write before. 16 zero bytes where none is known, or where an unclean end may have
   * torn the block (data and digest are then compared first).
   */
  digests(diskIndex: number, firstBlock: number, blockCount: number): Promise<Uint8Array>;

  /** Everything before is durable when this returns (R18). */
  mark(mapEpoch: string, markId: number): Promise<void>;
  lastMark(): { readonly mapEpoch: string; readonly markId: number } | null;

  /** Commits a point in time; durable when it returns (R12, R13). The same `checkpointId` again returns the same point. */
  checkpoint(request: CheckpointRequest): Promise<StagedPoint>;
  lastCheckpoint(): { readonly checkpointId: string; readonly sequence: number } | null;

  /** Oldest first. */
  points(): readonly StagedPoint[];
  /** NOT_FOUND when there is none. */
  openPoint(sequence: number): Promise<PointReader>;
  /** The point counts as in use until what is returned is called; safe to repeat. NOT_FOUND when there is none. */
  keepPoint(sequence: number): () => void;
  /** Whether any point is open. */
  isRead(): boolean;
  /** Durable when it returns. NOT_FOUND when there is none. */
  pinPoint(sequence: number, pinned: boolean): Promise<void>;
  /** FAILED_PRECONDITION while in use or pinned, or when it is the newest. */
  deletePoint(sequence: number): Promise<void>;
  verifyPoint(sequence: number, signal: AbortSignal): Promise<VerifyReport>;
  /** Deletes what the policy does not keep; returns the sequences. The newest point is always kept, any in use or pinned. */
  applyRetention(rows: readonly RetentionRow[], nowMicroseconds: number): Promise<readonly number[]>;

  /** Bytes that the machine's folder occupies. */
  usedBytes(): Promise<number>;
  close(): Promise<void>;
}
