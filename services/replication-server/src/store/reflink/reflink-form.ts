/**
 * The reflink form: images written in place, points as clones of them (replication.md § 3).
 *
 * A point is a FICLONE of every image and digest table, each fsynced; the barrier that it needs (every write before
 * has returned, none after has begun) is `MachineStore`'s order of calls. What the clones share with the working
 * images costs no space until it is overwritten, and no time at all. The downside: it needs a file system that can, and
 * images that are overwritten at random fragment.
 */
import type { Digester } from '@lms/block-stream';
import type { FormReader, PreparedPoint, StoreForm } from '../form.ts';
import { PointCatalogue } from '../point/point-catalogue.ts';
import type { PointManifest } from '../point/point-manifest.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import { MARK_RECORD } from '../record/mark-record.ts';
import type { MarkPosition } from '../record/mark-record.ts';
import { replaceRecord } from '../record/record.ts';
import { digestsPath, imagePath } from '../replica/disk-replica.ts';
import { InPlaceReplica } from '../replica/in-place-replica.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';
import { ImageReader } from './image-reader.ts';

const FOLDER = 'work';

export class ReflinkForm implements StoreForm {
  readonly name = 'reflink';
  #files: StoreFileSystem;
  #replica: InPlaceReplica;

  constructor(files: StoreFileSystem, digester: Digester) {
    this.#files = files;
    this.#replica = new InPlaceReplica(files, FOLDER, digester);
  }

  async open(disks: readonly StoredDisk[], isClean: boolean): Promise<null> {
    await this.#replica.open(disks, isClean);
    return null;
  }

  addDisks(disks: readonly StoredDisk[]): Promise<void> {
    return this.#replica.addDisks(disks);
  }

  keepDisks(disks: readonly StoredDisk[]): Promise<void> {
    return this.#replica.keepDisks(disks);
  }

  isEmpty(disk: StoredDisk): boolean {
    return this.#replica.of(disk.slot).isEmpty;
  }

  incompleteBlocks(disk: StoredDisk): number {
    return this.#replica.of(disk.slot).incompleteBlocks;
  }

  tornBlocks(disk: StoredDisk): number {
    return this.#replica.of(disk.slot).tornBlocks;
  }

  write(
    disk: StoredDisk,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void> {
    return this.#replica.of(disk.slot).write(firstBlock, blockCount, data, digests);
  }

  zero(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<void> {
    return this.#replica.of(disk.slot).zero(firstBlock, blockCount);
  }

  digests(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array> {
    return this.#replica.of(disk.slot).digests(firstBlock, blockCount);
  }

  async mark(position: MarkPosition): Promise<void> {
    await this.#replica.sync();
    await replaceRecord(this.#files, MARK_RECORD, { schemaVersion: 1, ...position }, 'mark.file');
    await this.#files.syncFolder('', 'mark.folder');
  }

  async preparePoint(folder: string, disks: readonly StoredDisk[]): Promise<PreparedPoint> {
    // The checkpoint implies a mark (R18): the working images must be durable, not only their clones.
    await this.#replica.sync();
    for (const { slot } of disks) {
      await this.#clone(imagePath(FOLDER, slot), imagePath(folder, slot), 'clone.image');
      await this.#clone(digestsPath(FOLDER, slot), digestsPath(folder, slot), 'clone.digests');
    }
    return { throughSegment: 0, changedBytes: this.#replica.changedBytes };
  }

  pointCommitted(): Promise<void> {
    this.#replica.clearChanged();
    return Promise.resolve();
  }

  openPoint(manifest: PointManifest): Promise<FormReader> {
    return ImageReader.open(this.#files, PointCatalogue.folderOf(manifest.sequence), manifest.disks);
  }

  /** A removed point takes its clones with it: there is nothing else. */
  reclaim(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * An estimate from above: the working images, and for each point what was overwritten between it and the next. The file
   * system would count what clones share once per clone. Bytes changed before a restart and after the newest point are missed.
   */
  async usedBytes(points: readonly PointManifest[]): Promise<number> {
    let bytes = (await this.#files.usedBytes(FOLDER)) + this.#replica.changedBytes;
    for (const [index, point] of points.entries()) {
      const next = points[index + 1];
      if (next === undefined) break;
      const sizeBytes = point.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
      bytes += Math.min(sizeBytes, next.changedBytesTotal - point.changedBytesTotal);
    }
    return bytes;
  }

  async settle(): Promise<boolean> {
    await this.#replica.sync();
    return this.#replica.isTrusted;
  }

  close(): Promise<void> {
    return this.#replica.close();
  }

  async #clone(from: string, to: string, step: SyncStep): Promise<void> {
    await this.#files.clone(from, to);
    const file = await this.#files.open(to);
    try {
      await file.sync(step);
    } finally {
      await file.close();
    }
  }
}
