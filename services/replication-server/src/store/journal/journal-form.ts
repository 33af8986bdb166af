/**
 * The journal form: for file systems that cannot clone (replication.md § 3).
 *
 * Situation: a point must stay as it is while writes go on, and copying images for each would cost their size. Mechanism:
 * until the first point, writes go straight into `base/` (`InPlaceReplica`); that point *is* the base. From then on writes are
 * appended to a segment; a checkpoint seals it; point n is the base overlaid by the segments up to its own.
 * Special cases: a checkpoint without changes needs no segment; a disk that comes later has an empty base of its own.
 * Failure: see `segment-recovery.ts`. The downside: a point far from the base reads many places, and its raw image exists
 * only by export.
 */
import type { Digester } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import type { FormReader, PreparedPoint, StoreForm } from '../form.ts';
import type { StoreLogger } from '../logger.ts';
import type { PointCatalogue } from '../point/point-catalogue.ts';
import type { PointManifest } from '../point/point-manifest.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import { MARK_RECORD } from '../record/mark-record.ts';
import type { MarkPosition } from '../record/mark-record.ts';
import { replaceRecord } from '../record/record.ts';
import { ImageReader } from '../reflink/image-reader.ts';
import { InPlaceReplica } from '../replica/in-place-replica.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import { isOutOfSpace } from '../sync-guard.ts';
import { BASE_FOLDER } from './base-merge.ts';
import { JournalLog } from './journal-log.ts';

export class JournalForm implements StoreForm {
  readonly name = 'journal';
  #files: StoreFileSystem;
  #digester: Digester;
  #points: PointCatalogue;
  #logger: StoreLogger;
  /** Until the first point. */
  #replica: InPlaceReplica;
  /** From the first point on. */
  #log: JournalLog | null = null;
  #prepared: JournalLog | null = null;

  constructor(files: StoreFileSystem, digester: Digester, points: PointCatalogue, logger: StoreLogger) {
    this.#files = files;
    this.#digester = digester;
    this.#points = points;
    this.#logger = logger;
    this.#replica = new InPlaceReplica(files, BASE_FOLDER, digester);
  }

  async open(disks: readonly StoredDisk[], isClean: boolean): Promise<MarkPosition | null> {
    if (this.#points.newest === null) {
      await this.#replica.open(disks, isClean);
      return null;
    }
    this.#log = new JournalLog(this.#files, this.#digester, this.#points);
    return this.#log.recover(disks);
  }

  addDisks(disks: readonly StoredDisk[]): Promise<void> {
    return this.#log === null ? this.#replica.addDisks(disks) : this.#log.addDisks(disks);
  }

  keepDisks(disks: readonly StoredDisk[]): Promise<void> {
    return this.#log === null ? this.#replica.keepDisks(disks) : this.#log.keepDisks(disks);
  }

  isEmpty({ slot }: StoredDisk): boolean {
    return this.#log === null ? this.#replica.of(slot).isEmpty : this.#log.current(slot).isEmpty;
  }

  incompleteBlocks({ slot }: StoredDisk): number {
    if (this.#log === null) return this.#replica.of(slot).incompleteBlocks;
    return this.#log.current(slot).unknownBlocks + this.#log.current(slot).tornBlocks;
  }

  tornBlocks({ slot }: StoredDisk): number {
    return this.#log === null ? this.#replica.of(slot).tornBlocks : this.#log.current(slot).tornBlocks;
  }

  write(
    disk: StoredDisk,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void> {
    if (this.#log === null) return this.#replica.of(disk.slot).write(firstBlock, blockCount, data, digests);
    return this.#log.write(disk, firstBlock, blockCount, data, digests);
  }

  zero(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<void> {
    if (this.#log === null) return this.#replica.of(disk.slot).zero(firstBlock, blockCount);
    return this.#log.zero(disk, firstBlock, blockCount);
  }

  digests({ slot }: StoredDisk, firstBlock: number, blockCount: number): Promise<Uint8Array> {
    if (this.#log === null) return this.#replica.of(slot).digests(firstBlock, blockCount);
    return this.#log.current(slot).get(firstBlock, blockCount);
  }

  async mark(position: MarkPosition): Promise<void> {
    if (this.#log !== null) return this.#log.mark(position);
    await this.#replica.sync();
    await replaceRecord(this.#files, MARK_RECORD, { schemaVersion: 1, ...position }, 'mark.file');
    await this.#files.syncFolder('', 'mark.folder');
  }

  async preparePoint(_folder: string, disks: readonly StoredDisk[]): Promise<PreparedPoint> {
    if (this.#log !== null) return this.#log.seal();
    await this.#replica.sync();
    // Made before the commit, so that a full disk refuses the point rather than the writes after it.
    await this.#prepared?.close();
    this.#prepared = new JournalLog(this.#files, this.#digester, this.#points);
    await this.#prepared.begin(disks);
    return { throughSegment: 0, changedBytes: this.#replica.changedBytes };
  }

  async pointCommitted(): Promise<void> {
    if (this.#log !== null) {
      this.#log.clearChanged();
      return;
    }
    this.#log = this.#prepared;
    this.#prepared = null;
    await this.#replica.close();
  }

  async openPoint(manifest: PointManifest): Promise<FormReader> {
    const base = await ImageReader.open(this.#files, BASE_FOLDER, manifest.disks);
    // There is no point before there is a log.
    return this.#log === null ? base : this.#log.reader(base, manifest.throughSegment);
  }

  async reclaim(signal: AbortSignal): Promise<void> {
    try {
      await this.#log?.reclaim(signal);
    } catch (thrown) {
      // A merge needs room before it gives some back. What it did is kept, and the next deletion tries again.
      if (!isOutOfSpace(thrown) && !signal.aborted) throw thrown;
      this.#logger.warn({ error: toLmsError(thrown).message }, 'Merging of journal segments was put off');
    }
  }

  usedBytes(): Promise<number> {
    return this.#files.usedBytes('');
  }

  async settle(): Promise<boolean> {
    // The log is recovered from its marks, whatever the ending; only what is written in place can be trusted or not.
    if (this.#log !== null) return false;
    await this.#replica.sync();
    return this.#replica.isTrusted;
  }

  async close(): Promise<void> {
    await this.#prepared?.close();
    if (this.#log !== null) await this.#log.close();
    else await this.#replica.close();
  }
}
