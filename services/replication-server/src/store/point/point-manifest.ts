/** `points/<sequence>/manifest.json`: what a point in time is, written before the rename that makes it one (R13). */
import { z } from 'zod';
import type { MarkPosition } from '../record/mark-record.ts';
import { storedDiskSchema } from '../record/machine-record.ts';
import type { StagedPoint } from '../staging-store.ts';

export const manifestSchema = z.object({
  schemaVersion: z.literal(1),
  /** Place among all marks and points of the store; see `MarkPosition`. */
  revision: z.int().positive(),
  sequence: z.int().positive(),
  checkpointId: z.string(),
  requestId: z.string(),
  consistency: z.enum(['crash', 'filesystem']),
  instantMicroseconds: z.number(),
  pauseMicroseconds: z.number(),
  /** The mark that the checkpoint implied. */
  mapEpoch: z.string(),
  markId: z.int().nonnegative(),
  /** Journal: the point is the base overlaid by all segments up to this one; 0 is the base alone. Reflink: 0. */
  throughSegment: z.int().nonnegative(),
  /** Bytes of blocks changed since the store was made, each block once per point: what older points hold besides it. */
  changedBytesTotal: z.int().nonnegative(),
  /** All disks of the machine, in order of index (R13). */
  disks: z.array(storedDiskSchema).min(1),
});

export type PointManifest = z.infer<typeof manifestSchema>;

export function stagedPoint(manifest: PointManifest, pinned: boolean): StagedPoint {
  const { sequence, checkpointId, requestId, consistency, instantMicroseconds, pauseMicroseconds, disks } = manifest;
  return {
    sequence,
    checkpointId,
    requestId,
    consistency,
    instantMicroseconds,
    pauseMicroseconds,
    pinned,
    disks: disks.map(({ diskId, device, sizeBytes }, diskIndex) => ({ diskId, diskIndex, device, sizeBytes })),
  };
}

export function markOf({ revision, mapEpoch, markId }: PointManifest): MarkPosition {
  return { revision, mapEpoch, markId };
}
