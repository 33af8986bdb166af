/**
 * One machine's staging store: what both forms have in common.
 *
 * Situation: a session writes, marks and commits points; readers, retention and deletion come at any time; the process
 * or the power may end at any instant. Mechanism: calls that change the replica run one after another (so a checkpoint
 * is a barrier), deletions one after another beside them; the catalogue of points is the truth about points, and marks carry
 * a revision that orders them with points. `docs/staging-format.md` derives each durability step from R12 to R15.
 * Special cases: the last checkpoint is the newest point, which is never deleted, so repeating its id always finds it.
 * Failure: after any failed sync every call fails with the same error until the store is opened anew (`SyncGuard`); a full
 * disk is told as STAGING_FULL and costs nothing but the call.
 */
import type { Digester } from '@lms/block-stream';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import { LmsError, toLmsError } from '@lms/errors';
import type { StoreForm } from './form.ts';
import type { StoreLogger } from './logger.ts';
import type { PointCatalogue } from './point/point-catalogue.ts';
import type { PointManifest } from './point/point-manifest.ts';
import { stagedPoint } from './point/point-manifest.ts';
import type { PointPins } from './point/point-pins.ts';
import { verifyPoint } from './point/verify-point.ts';
import type { MachineDisks } from './machine-disks.ts';
import type { MarkPosition } from './record/mark-record.ts';
import { rangeBytes, requireRange } from './replica/geometry.ts';
import { Serial } from './serial.ts';
import { pointsToDelete } from './space/retention.ts';
import type { SpaceFloor } from './space/space-floor.ts';
import type {
  CheckpointRequest,
  PointReader,
  RetentionRow,
  StagedPoint,
  StagingDisk,
  StagingStore,
  VerifyReport,
} from './staging-store.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import type { SyncGuard } from './sync-guard.ts';
import { isOutOfSpace } from './sync-guard.ts';

/** Its presence at opening says that the store was closed in order, everything durable. */
export const CLEAN_FILE = 'clean';
/** A point costs its manifest and folder, a few file-system blocks. */
const POINT_BYTES = 64 * 1024;

export interface MachineStoreParts {
  readonly files: StoreFileSystem;
  readonly guard: SyncGuard;
  readonly digestKey: Uint8Array;
  readonly digester: Digester;
  readonly form: StoreForm;
  readonly disks: MachineDisks;
  readonly points: PointCatalogue;
  readonly pins: PointPins;
  readonly floor: SpaceFloor;
  readonly lastMark: MarkPosition | null;
  readonly logger: StoreLogger;
}

export class MachineStore implements StagingStore {
  readonly form: 'reflink' | 'journal';
  readonly digestKey: Uint8Array;
  #parts: MachineStoreParts;
  #lastMark: MarkPosition | null;
  #changes = new Serial();
  #deletions = new Serial();
  #closing = new AbortController();
  #closed: Promise<void> | null = null;
  #openReaders = 0;

  constructor(parts: MachineStoreParts) {
    this.#parts = parts;
    this.form = parts.form.name;
    this.digestKey = parts.digestKey;
    this.#lastMark = parts.lastMark;
  }

  disks(): readonly StagingDisk[] {
    return this.#parts.disks.all.map(({ diskId, device, sizeBytes }, diskIndex) => ({
      diskId,
      diskIndex,
      device,
      sizeBytes,
    }));
  }

  ensureDisks(
    wanted: readonly Omit<StagingDisk, 'diskIndex'>[],
  ): Promise<readonly { disk: StagingDisk; empty: boolean }[]> {
    return this.#change('ensuring disks', async () => {
      const { disks, form } = this.#parts;
      await disks.ensure(wanted, form);
      return this.disks().map((disk) => ({ disk, empty: form.isEmpty(disks.at(disk.diskIndex)) }));
    });
  }

  write(
    diskIndex: number,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void> {
    return this.#change('writing', async () => {
      const disk = this.#parts.disks.at(diskIndex);
      requireRange(disk, firstBlock, blockCount);
      if (data.length !== rangeBytes(disk, firstBlock, blockCount) || digests.length !== blockCount * DIGEST_BYTES) {
        throw new LmsError(
          'INVALID_ARGUMENT',
          `A write of ${blockCount} blocks to disk ${disk.diskId} has a wrong length`,
        );
      }
      await this.#parts.floor.require(data.length);
      await this.#parts.form.write(disk, firstBlock, blockCount, data, digests);
    });
  }

  zero(diskIndex: number, firstBlock: number, blockCount: number): Promise<void> {
    return this.#change('zeroing', async () => {
      const disk = this.#parts.disks.at(diskIndex);
      requireRange(disk, firstBlock, blockCount);
      await this.#parts.floor.require(blockCount * DIGEST_BYTES);
      await this.#parts.form.zero(disk, firstBlock, blockCount);
    });
  }

  digests(diskIndex: number, firstBlock: number, blockCount: number): Promise<Uint8Array> {
    return this.#change('reading digests', async () => {
      const disk = this.#parts.disks.at(diskIndex);
      requireRange(disk, firstBlock, blockCount);
      return this.#parts.form.digests(disk, firstBlock, blockCount);
    });
  }

  mark(mapEpoch: string, markId: number): Promise<void> {
    return this.#change('marking', async () => {
      const { disks, form } = this.#parts;
      // Mark 0 names the epoch of a session that begins, and vouches for no block: what is torn is sent again by it.
      const torn = markId === 0 ? undefined : disks.all.find((disk) => form.tornBlocks(disk) > 0);
      if (torn !== undefined) throw incomplete(torn.diskId, form.tornBlocks(torn));
      const position = { revision: this.#nextRevision(), mapEpoch, markId };
      await form.mark(position);
      this.#lastMark = position;
    });
  }

  lastMark(): { readonly mapEpoch: string; readonly markId: number } | null {
    if (this.#lastMark === null) return null;
    return { mapEpoch: this.#lastMark.mapEpoch, markId: this.#lastMark.markId };
  }

  checkpoint(request: CheckpointRequest): Promise<StagedPoint> {
    return this.#change('committing a point in time', async () => {
      const { disks, form, floor, points } = this.#parts;
      const newest = points.newest;
      if (newest !== null && newest.checkpointId === request.checkpointId) return this.#staged(newest);
      if (disks.all.length === 0)
        throw new LmsError('FAILED_PRECONDITION', 'The machine has no disks to make a point of');
      for (const disk of disks.all) {
        const blocks = form.incompleteBlocks(disk);
        if (blocks > 0) throw incomplete(disk.diskId, blocks);
      }
      await floor.require(POINT_BYTES);
      const manifest = await this.#commitPoint(request, (newest?.sequence ?? 0) + 1, newest?.changedBytesTotal ?? 0);
      this.#lastMark = manifest;
      await form.pointCommitted(manifest);
      return this.#staged(manifest);
    });
  }

  lastCheckpoint(): { readonly checkpointId: string; readonly sequence: number } | null {
    const newest = this.#parts.points.newest;
    return newest === null ? null : { checkpointId: newest.checkpointId, sequence: newest.sequence };
  }

  points(): readonly StagedPoint[] {
    return this.#parts.points.all.map((manifest) => this.#staged(manifest));
  }

  async openPoint(sequence: number): Promise<PointReader> {
    this.#check();
    const { points, form } = this.#parts;
    const manifest = points.find(sequence);
    const leave = points.use(sequence);
    this.#openReaders += 1;
    let open = true;
    const release = (): void => {
      leave();
      if (open) this.#openReaders -= 1;
      open = false;
    };
    try {
      const reader = await form.openPoint(manifest);
      const diskAt = (diskIndex: number) => {
        const disk = manifest.disks[diskIndex];
        if (disk === undefined) throw new LmsError('INVALID_ARGUMENT', `Point ${sequence} has no disk ${diskIndex}`);
        return disk;
      };
      return {
        point: this.#staged(manifest),
        read: async (diskIndex, offsetBytes, target) => {
          const disk = diskAt(diskIndex);
          if (offsetBytes < 0 || offsetBytes + target.length > disk.sizeBytes) {
            throw new LmsError('INVALID_ARGUMENT', `Offset ${offsetBytes} lies outside disk ${disk.diskId}`);
          }
          await reader.read(disk, offsetBytes, target);
        },
        digests: async (diskIndex, firstBlock, blockCount) => {
          const disk = diskAt(diskIndex);
          requireRange(disk, firstBlock, blockCount);
          return reader.digests(disk, firstBlock, blockCount);
        },
        close: async () => {
          await reader.close();
          release();
        },
      };
    } catch (thrown) {
      release();
      throw toLmsError(thrown, `opening point ${sequence}`);
    }
  }

  keepPoint(sequence: number): () => void {
    this.#check();
    const { points } = this.#parts;
    points.find(sequence);
    return points.use(sequence);
  }

  isRead(): boolean {
    return this.#openReaders > 0;
  }

  pinPoint(sequence: number, pinned: boolean): Promise<void> {
    // In line with deletions: a point is not removed while it is being pinned.
    return this.#delete('pinning a point in time', async () => {
      const { points, pins } = this.#parts;
      points.find(sequence);
      await pins.set(sequence, pinned);
    });
  }

  deletePoint(sequence: number): Promise<void> {
    return this.#delete('deleting a point in time', async () => {
      const { points, pins } = this.#parts;
      points.find(sequence);
      if (pins.has(sequence)) {
        throw new LmsError('FAILED_PRECONDITION', `Point ${sequence} is pinned`, { action: 'Unpin it first' });
      }
      if (points.newest?.sequence === sequence) {
        throw new LmsError('FAILED_PRECONDITION', `Point ${sequence} is the newest, which is always kept`);
      }
      if (points.isInUse(sequence)) {
        throw new LmsError('FAILED_PRECONDITION', `Point ${sequence} is in use`, { action: 'End the export first' });
      }
      await points.remove(sequence);
      await this.#parts.form.reclaim(this.#closing.signal);
    });
  }

  async verifyPoint(sequence: number, signal: AbortSignal): Promise<VerifyReport> {
    const reader = await this.openPoint(sequence);
    try {
      return await verifyPoint(reader, this.#parts.digester, AbortSignal.any([signal, this.#closing.signal]));
    } finally {
      await reader.close();
    }
  }

  applyRetention(rows: readonly RetentionRow[], nowMicroseconds: number): Promise<readonly number[]> {
    return this.#delete('applying retention', async () => {
      const { points, pins, form } = this.#parts;
      const isKept = (sequence: number): boolean => pins.has(sequence) || points.isInUse(sequence);
      const deleted = pointsToDelete(this.points(), rows, nowMicroseconds, isKept);
      const gone: number[] = [];
      for (const sequence of deleted) {
        // A reader may have come while those before were removed.
        if (points.isInUse(sequence)) continue;
        await points.remove(sequence);
        gone.push(sequence);
      }
      await form.reclaim(this.#closing.signal);
      return gone;
    });
  }

  async usedBytes(): Promise<number> {
    return this.#parts.form.usedBytes(this.#parts.points.all);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#changes.run(() => Promise.resolve());
    await this.#deletions.run(() => Promise.resolve());
    const { form, files, guard, logger } = this.#parts;
    try {
      // Not durable itself: if it gets lost, the next opening only trusts less.
      if (!guard.failed && (await form.settle())) await (await files.create(CLEAN_FILE)).close();
    } catch (thrown) {
      logger.warn({ error: toLmsError(thrown).message }, 'The staging store could not be closed in order');
    }
    await form.close();
    await guard.closeAll();
  }

  async #commitPoint(request: CheckpointRequest, sequence: number, changedBefore: number): Promise<PointManifest> {
    const { disks, form, points, guard } = this.#parts;
    try {
      const folder = await points.prepare(sequence);
      const { throughSegment, changedBytes } = await form.preparePoint(folder, disks.all);
      const manifest: PointManifest = {
        schemaVersion: 1,
        revision: this.#nextRevision(),
        sequence,
        checkpointId: request.checkpointId,
        requestId: request.requestId,
        consistency: request.consistency,
        instantMicroseconds: request.instantMicroseconds,
        pauseMicroseconds: request.pauseMicroseconds,
        mapEpoch: request.mapEpoch,
        markId: request.markId,
        throughSegment,
        changedBytesTotal: changedBefore + changedBytes,
        disks: [...disks.all],
      };
      await points.commit(manifest);
      return manifest;
    } catch (thrown) {
      // After a failed sync nothing may be touched, least of all a commit that may be half durable.
      if (!guard.failed) await points.abandon(sequence);
      throw thrown;
    }
  }

  #staged(manifest: PointManifest): StagedPoint {
    return stagedPoint(manifest, this.#parts.pins.has(manifest.sequence));
  }

  #nextRevision(): number {
    return (this.#lastMark?.revision ?? 0) + 1;
  }

  #change<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    return this.#changes.run(() => this.#guarded(what, call));
  }

  #delete<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    return this.#deletions.run(() => this.#guarded(what, call));
  }

  async #guarded<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    this.#check();
    try {
      return await call();
    } catch (thrown) {
      if (isOutOfSpace(thrown)) this.#parts.floor.doubt();
      throw toLmsError(thrown, `Staging: ${what}`);
    }
  }

  #check(): void {
    this.#parts.guard.check();
    if (this.#closing.signal.aborted) throw new LmsError('UNAVAILABLE', 'The staging store is closed');
  }
}

function incomplete(diskId: string, blocks: number): LmsError {
  const mebibytes = Math.ceil((blocks * BLOCK_SIZE_BYTES) / 2 ** 20);
  return new LmsError(
    'FAILED_PRECONDITION',
    `Disk ${diskId} has ${blocks} blocks (${mebibytes} MiB) not received in whole`,
    {
      action: 'Send every block of the disk before a mark or a point in time',
    },
  );
}
