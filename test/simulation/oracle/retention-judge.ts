/**
 * Which points retention had no right to delete: written from the design's words alone, not from the store's code.
 *
 * Kept are the newest point; one that somebody asked for, for an hour; and of each row (every, keep) the newest point of
 * each span of `every` seconds that is no older than `keep`. Time only ever makes more points deletable, so judging
 * later than the store did is lenient and never unjust; a clock that was set is judged at each time that it showed.
 */
import type { RetentionRow, StagedPoint } from '../../../services/replication-server/src/index.ts';

const KEEP_REQUESTED_SECONDS = 3_600;

export function mayBeDeleted(
  sequence: number,
  points: readonly StagedPoint[],
  rows: readonly RetentionRow[],
  instantsOfNow: readonly number[],
): boolean {
  const point = points.find((candidate) => candidate.sequence === sequence);
  if (point === undefined) return true;
  const newer = points.filter((candidate) => candidate.sequence > sequence);
  if (newer.length === 0) return false;
  return instantsOfNow.some((now) => {
    const ageSeconds = (now - point.instantMicroseconds) / 1e6;
    if (point.requestId !== '' && ageSeconds <= KEEP_REQUESTED_SECONDS) return false;
    return rows.every(({ everySeconds, keepSeconds }) => {
      const span = Math.floor(point.instantMicroseconds / (everySeconds * 1e6));
      const isNewestOfSpan = !newer.some(
        ({ instantMicroseconds }) => Math.floor(instantMicroseconds / (everySeconds * 1e6)) === span,
      );
      return ageSeconds > keepSeconds || !isNewestOfSpan;
    });
  });
}
