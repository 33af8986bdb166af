import { z } from 'zod';
import { MAXIMUM_DISKS } from './limits.ts';
import { Count, Device, DiskId, Instant, Sequence, Sha256Hex } from './values.ts';
import { Consistency } from './words.ts';

/** POINT of the command line: a point in time. `sha256` is of the whole raw disk, null while it is not computed. */
export const Point = z.object({
  sequence: Sequence,
  consistency: Consistency,
  createdAt: Instant,
  pinned: z.boolean(),
  disks: z.array(z.object({ id: DiskId, device: Device, sizeBytes: Count, sha256: Sha256Hex.nullable() })),
});
export type Point = z.infer<typeof Point>;

export const CheckpointId = z.string().min(1).max(64);

/** A point as the replication server reports it. */
export const PointReport = z.object({
  sequence: Sequence,
  checkpointId: CheckpointId,
  /** Empty: nobody asked, it came by itself. */
  requestId: z.string().max(64),
  consistency: Consistency,
  createdAt: Instant,
  pauseMicroseconds: Count,
  /** Replication servers of before could pin nothing. */
  pinned: z.boolean().default(false),
  disks: z
    .array(z.object({ diskId: DiskId, device: Device, sizeBytes: Count, sha256: Sha256Hex.nullable() }))
    .min(1)
    .max(MAXIMUM_DISKS),
});
export type PointReport = z.input<typeof PointReport>;

export const PointPage = z.object({ points: z.array(Point), nextPageToken: z.string().nullable() });
export type PointPage = z.infer<typeof PointPage>;
