/**
 * The sealed segments of a machine, oldest first, as the folder has them.
 *
 * After a compaction its result and what it replaces stand side by side until the latter are removed; after a crash, those
 * that lie within another's range go. Each removal is durable before the next removal of another: an old segment
 * that came back after a newer one had gone would overlay older content over newer.
 */
import type { StoreFileSystem } from '../store-file-system.ts';
import type { SealedSegment } from './sealed-segment.ts';
import type { SegmentRange } from './segment-path.ts';
import { SEGMENT_FOLDER, parseSegmentName, segmentPath } from './segment-path.ts';

/** The sync comes first, for the same reason as that of the points' folder: after a kill, the cache knows more than the medium. */
export async function listSegments(files: StoreFileSystem): Promise<SegmentRange[]> {
  await files.syncFolder(SEGMENT_FOLDER, 'open.segments-folder');
  const ranges: SegmentRange[] = [];
  for (const name of await files.list(SEGMENT_FOLDER)) {
    const range = parseSegmentName(name);
    if (range === null) await files.removeFile(`${SEGMENT_FOLDER}/${name}`);
    else ranges.push(range);
  }
  const isReplaced = (range: SegmentRange): boolean =>
    ranges.some((other) => other !== range && other.firstId <= range.firstId && range.lastId <= other.lastId);
  const replaced = ranges.filter(isReplaced);
  for (const range of replaced) await files.removeFile(segmentPath(range));
  if (replaced.length > 0) await files.syncFolder(SEGMENT_FOLDER, 'segment.removal');
  return ranges.filter((range) => !replaced.includes(range)).sort((first, second) => first.firstId - second.firstId);
}

export class SegmentList {
  #files: StoreFileSystem;
  #segments: readonly SealedSegment[] = [];

  constructor(files: StoreFileSystem) {
    this.#files = files;
  }

  get all(): readonly SealedSegment[] {
    return this.#segments;
  }

  add(segment: SealedSegment): void {
    this.#segments = [...this.#segments, segment];
  }

  /** Those that the base has in whole, or that `replacement` has. */
  async remove(gone: readonly SealedSegment[], replacement: SealedSegment | null): Promise<void> {
    const index = this.#segments.findIndex((segment) => gone.includes(segment));
    const left = this.#segments.filter((segment) => !gone.includes(segment));
    this.#segments = replacement === null ? left : left.toSpliced(index, 0, replacement);
    for (const segment of gone) {
      await this.#files.removeFile(segment.path);
      await segment.retire();
    }
    await this.#files.syncFolder(SEGMENT_FOLDER, 'segment.removal');
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.retire();
    this.#segments = [];
  }
}
