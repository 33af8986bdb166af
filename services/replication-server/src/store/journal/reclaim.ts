/**
 * What deleted points leave behind: the oldest segments go into the base, neighbours become one.
 *
 * Points every 10 s of which retention keeps one in ten minutes would rewrite quadratically if each deletion merged
 * into one growing segment. So two neighbours merge only when the older is at most twice as large: each byte is
 * rewritten once per doubling.
 */
import type { PointManifest } from '../point/point-manifest.ts';
import type { SealedSegment } from './sealed-segment.ts';

const MAXIMUM_SIZE_RATIO = 2;

export type ReclaimStep =
  | { readonly kind: 'merge'; readonly segment: SealedSegment }
  | { readonly kind: 'compact'; readonly segments: readonly [SealedSegment, SealedSegment] };

/**
 * The next thing to do, or null. `points` and `segments`: oldest first. `settledThrough`: segments up to this one are
 * wholly before the last durable mark, so those that no point contains yet may be merged among themselves too.
 */
export function nextReclaimStep(
  points: readonly PointManifest[],
  segments: readonly SealedSegment[],
  settledThrough: number,
): ReclaimStep | null {
  const oldest = segments[0];
  if (oldest !== undefined && oldest.lastId <= (points[0]?.throughSegment ?? 0) && !oldest.isInUse) {
    return { kind: 'merge', segment: oldest };
  }
  // Newest first: the small ones are there, and merging them first may make them worth merging with larger ones.
  for (let index = segments.length - 2; index >= 0; index -= 1) {
    const older = segments[index];
    const newer = segments[index + 1];
    if (older === undefined || newer === undefined || older.isInUse || newer.isInUse) continue;
    const isSeparated = points.some(
      ({ throughSegment }) => older.lastId <= throughSegment && throughSegment < newer.firstId,
    );
    const isSettled = newer.lastId <= settledThrough;
    if (!isSeparated && isSettled && older.sizeBytes <= MAXIMUM_SIZE_RATIO * newer.sizeBytes) {
      return { kind: 'compact', segments: [older, newer] };
    }
  }
  return null;
}
