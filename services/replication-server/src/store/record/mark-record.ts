/**
 * A durable mark (R18) with its place among all marks and points of this store: epochs of a source's map do not compare,
 * revisions do. It stands in `mark.json`, in a MARK record of a journal segment, or in a point's manifest.
 */
import { z } from 'zod';

export const MARK_RECORD = 'mark.json';

export const markRecordSchema = z.object({
  schemaVersion: z.literal(1),
  revision: z.int().positive(),
  mapEpoch: z.string(),
  markId: z.int().nonnegative(),
});

export interface MarkPosition {
  readonly revision: number;
  readonly mapEpoch: string;
  readonly markId: number;
}

/** The later of two. */
export function laterMark(first: MarkPosition | null, second: MarkPosition | null): MarkPosition | null {
  if (first === null) return second;
  return second !== null && second.revision > first.revision ? second : first;
}
