/** Which points in time a policy keeps. A pure function: of rows, instants and what is kept in any case. */
import type { RetentionRow, StagedPoint } from '../staging-store.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const DEFAULT_RETENTION: readonly RetentionRow[] = [
  { everySeconds: 10 * MINUTE, keepSeconds: HOUR },
  { everySeconds: HOUR, keepSeconds: DAY },
  { everySeconds: DAY, keepSeconds: 7 * DAY },
];

/**
 * A point that somebody asked for is kept for an hour whatever the rows say: of every ten minutes they keep the newest only, and
 * it would be gone before its export could begin.
 */
const KEEP_REQUESTED_SECONDS = HOUR;

/**
 * Sequences to delete, oldest first. Each row divides time, from the Unix epoch on, into spans of `everySeconds` and keeps
 * the newest point of each span that is no older than `keepSeconds`. Sequence alone says which is newest: the
 * source's clock may jump, and a point from the future is kept as if it were new. Kept always: the newest, and any in use
 * or pinned.
 */
export function pointsToDelete(
  points: readonly StagedPoint[],
  rows: readonly RetentionRow[],
  nowMicroseconds: number,
  isKept: (sequence: number) => boolean,
): number[] {
  const ordered = [...points].sort((first, second) => first.sequence - second.sequence);
  const kept = new Set<number>();
  const newest = ordered.at(-1);
  if (newest !== undefined) kept.add(newest.sequence);
  for (const { sequence, requestId, instantMicroseconds } of ordered) {
    const isRecent = nowMicroseconds - instantMicroseconds <= KEEP_REQUESTED_SECONDS * 1e6;
    if (requestId !== '' && isRecent) kept.add(sequence);
  }
  for (const { everySeconds, keepSeconds } of rows) {
    const newestOfSpan = new Map<number, number>();
    for (const { sequence, instantMicroseconds } of ordered) {
      if (nowMicroseconds - instantMicroseconds > keepSeconds * 1e6) continue;
      newestOfSpan.set(Math.floor(instantMicroseconds / (everySeconds * 1e6)), sequence);
    }
    for (const sequence of newestOfSpan.values()) kept.add(sequence);
  }
  return ordered.map(({ sequence }) => sequence).filter((sequence) => !kept.has(sequence) && !isKept(sequence));
}
