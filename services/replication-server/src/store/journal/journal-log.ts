/** The journal form from its first point on: segments, the one that is written, and the digests of the present. */
import type { Digester } from '@lms/block-stream';
import { DIGEST_BYTES } from '@lms/block-stream';
import type { FormReader, PreparedPoint } from '../form.ts';
import type { PointCatalogue } from '../point/point-catalogue.ts';
import type { StoredDisk } from '../record/machine-record.ts';
import type { MarkPosition } from '../record/mark-record.ts';
import type { ImageReader } from '../reflink/image-reader.ts';
import { createDiskFiles, digestsPath, imagePath } from '../replica/disk-replica.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import { BASE_FOLDER, mergeIntoBase } from './base-merge.ts';
import { compact } from './compaction.ts';
import { CURRENT_FOLDER, CurrentDigests } from './current-digests.ts';
import { OverlayReader } from './overlay-reader.ts';
import { nextReclaimStep } from './reclaim.ts';
import { SealedSegment } from './sealed-segment.ts';
import { SegmentList, listSegments } from './segment-list.ts';
import { recoverPending } from './segment-recovery.ts';
import { SegmentWriter, zeroDigests } from './segment-writer.ts';

export class JournalLog {
  #files: StoreFileSystem;
  #digester: Digester;
  #points: PointCatalogue;
  #segments: SegmentList;
  #writer: SegmentWriter | null = null;
  #currents = new Map<number, CurrentDigests>();
  #disks: readonly StoredDisk[] = [];
  #nextId = 1;
  /** All segments up to this one are before the last durable mark or point. */
  #settledThrough = 0;

  constructor(files: StoreFileSystem, digester: Digester, points: PointCatalogue) {
    this.#files = files;
    this.#digester = digester;
    this.#points = points;
    this.#segments = new SegmentList(files);
  }

  /** At the first point: no segment yet. */
  async begin(disks: readonly StoredDisk[]): Promise<void> {
    this.#disks = disks;
    await this.#buildCurrents(disks);
  }

  async recover(disks: readonly StoredDisk[]): Promise<MarkPosition | null> {
    const ranges = await listSegments(this.#files);
    const through = this.#points.newest?.throughSegment ?? 0;
    const pending = ranges.filter(({ firstId }) => firstId > through);
    this.#disks = disks;
    const { mark, kept } = await recoverPending(
      this.#files,
      pending,
      this.#digester,
      (slot, firstBlock, blockCount) => {
        const disk = this.#diskOf(slot);
        // A disk that is gone: its entries are never read.
        if (disk === null) return new Uint8Array(blockCount * DIGEST_BYTES);
        return zeroDigests(this.#digester, disk, firstBlock, blockCount);
      },
    );
    for (const range of [...ranges.filter(({ firstId }) => firstId <= through), ...kept]) {
      this.#segments.add(await SealedSegment.open(this.#files, range));
    }
    // The last one has the mark that all pending content hangs on: it must not be merged away before the next mark.
    this.#settledThrough = Math.max(through, (kept.at(-1)?.firstId ?? 1) - 1);
    this.#nextId = Math.max(through, kept.at(-1)?.lastId ?? 0) + 1;
    await this.#buildCurrents(disks);
    await this.#removeUnusedFiles();
    return mark;
  }

  async addDisks(disks: readonly StoredDisk[]): Promise<void> {
    // First of all, so that a deletion beside this does not take their files for leftovers.
    this.#disks = [...this.#disks, ...disks];
    for (const disk of disks) await createDiskFiles(this.#files, BASE_FOLDER, disk);
    await this.#files.syncFolder(BASE_FOLDER, 'disk.folder');
    await this.#buildCurrents(disks);
  }

  async keepDisks(disks: readonly StoredDisk[]): Promise<void> {
    this.#disks = disks;
    for (const [slot, current] of [...this.#currents]) {
      if (disks.some((disk) => disk.slot === slot)) continue;
      this.#currents.delete(slot);
      await current.close();
    }
    await this.#removeUnusedFiles();
  }

  current(slot: number): CurrentDigests {
    const current = this.#currents.get(slot);
    if (current === undefined) throw new RangeError(`No disk in slot ${slot}`);
    return current;
  }

  clearChanged(): void {
    for (const current of this.#currents.values()) current.clearChanged();
  }

  async write(
    disk: StoredDisk,
    firstBlock: number,
    blockCount: number,
    data: Uint8Array,
    digests: Uint8Array,
  ): Promise<void> {
    const current = this.current(disk.slot);
    await current.prepare(firstBlock, blockCount);
    const writer = await this.#writerWithRoom(blockCount);
    await writer.write(disk, firstBlock, blockCount, data, digests);
    await current.set(firstBlock, digests);
  }

  /** In pieces, so that zeroing a whole disk needs no index of its size in one segment. */
  async zero(disk: StoredDisk, firstBlock: number, blockCount: number): Promise<void> {
    for (let done = 0; done < blockCount;) {
      const writer = await this.#writerWithRoom(1);
      const count = Math.min(writer.roomBlocks, blockCount - done);
      await writer.zero(disk, firstBlock + done, count);
      await this.current(disk.slot).zero(this.#digester, firstBlock + done, count);
      done += count;
    }
  }

  async mark(position: MarkPosition): Promise<void> {
    const writer = await this.#writerWithRoom(0);
    await writer.mark(position);
    this.#settledThrough = writer.id - 1;
  }

  /** Everything written so far becomes content of the next point. */
  async seal(): Promise<PreparedPoint> {
    const changedBytes = [...this.#currents.values()].reduce((sum, current) => sum + current.changedBytes, 0);
    // A segment with nothing but marks stays open: the point has no use for it.
    if (this.#writer?.hasData === true) await this.#sealWriter(this.#writer);
    const throughSegment = this.#writer === null ? this.#nextId - 1 : this.#writer.id - 1;
    return { throughSegment, changedBytes };
  }

  async reader(base: ImageReader, throughSegment: number): Promise<FormReader> {
    const segments = this.#segments.all.filter(({ lastId }) => lastId <= throughSegment).reverse();
    for (const segment of segments) segment.use();
    return new OverlayReader(base, segments);
  }

  async reclaim(signal: AbortSignal): Promise<void> {
    for (;;) {
      const points = this.#points.all;
      const settled = Math.max(this.#settledThrough, this.#points.newest?.throughSegment ?? 0);
      const step = nextReclaimStep(points, this.#segments.all, settled);
      if (step === null || signal.aborted) break;
      const diskOf = (slot: number): StoredDisk | null => this.#diskOf(slot);
      if (step.kind === 'merge') {
        await mergeIntoBase(this.#files, step.segment, diskOf, signal);
        await this.#segments.remove([step.segment], null);
      } else {
        const merged = await compact(this.#files, step.segments, diskOf, signal);
        await this.#segments.remove(step.segments, merged);
      }
    }
    await this.#removeUnusedFiles();
  }

  async close(): Promise<void> {
    await this.#writer?.close();
    for (const current of this.#currents.values()) await current.close();
    await this.#segments.close();
  }

  async #writerWithRoom(blocks: number): Promise<SegmentWriter> {
    if (this.#writer !== null && this.#writer.roomBlocks < blocks) await this.#sealWriter(this.#writer);
    if (this.#writer === null) {
      this.#writer = await SegmentWriter.create(this.#files, this.#nextId, this.#digester);
      this.#nextId += 1;
    }
    return this.#writer;
  }

  async #sealWriter(writer: SegmentWriter): Promise<void> {
    await writer.seal();
    this.#segments.add(await SealedSegment.open(this.#files, { firstId: writer.id, lastId: writer.id }));
    this.#writer = null;
    await writer.close();
  }

  async #buildCurrents(disks: readonly StoredDisk[]): Promise<void> {
    for (const disk of disks) {
      this.#currents.set(disk.slot, await CurrentDigests.build(this.#files, disk, this.#segments.all));
    }
  }

  /** Null for a slot that neither the machine nor a point has any more. */
  #diskOf(slot: number): StoredDisk | null {
    const known = (disks: readonly StoredDisk[]): StoredDisk | undefined => disks.find((disk) => disk.slot === slot);
    const disk =
      known(this.#disks) ?? this.#points.all.map(({ disks }) => known(disks)).find((found) => found !== undefined);
    return disk ?? null;
  }

  async #removeUnusedFiles(): Promise<void> {
    for (const folder of [BASE_FOLDER, CURRENT_FOLDER]) {
      for (const name of await this.#files.list(folder)) {
        const slot = Number(/^disk-(\d+)\./.exec(name)?.[1] ?? -1);
        const isCurrent = this.#disks.some((disk) => disk.slot === slot);
        const isUsed = isCurrent || (folder === BASE_FOLDER && this.#diskOf(slot) !== null);
        const isExpected = [imagePath(folder, slot), digestsPath(folder, slot)].includes(`${folder}/${name}`);
        if (!isUsed || !isExpected) await this.#files.removeFile(`${folder}/${name}`);
      }
    }
  }
}
