import { z } from 'zod';
import { Point } from './point.ts';
import { Count, Device, DiskId, Instant, MachineId, Sentence } from './values.ts';
import { InitiationStep, LifecycleState, ReplicationState, StallCause, StepState, Tracker } from './words.ts';

/** MACHINE of the command line. Unknown is null, never 0. */
export const Machine = z.object({
  id: MachineId,
  name: z.string(),
  replicationState: ReplicationState.nullable(),
  stallCause: StallCause.nullable(),
  /** One sentence about the state, for people. */
  detail: Sentence.nullable(),
  lifecycleState: LifecycleState.nullable(),
  lagSeconds: z.number().nullable(),
  backlogBytes: Count.nullable(),
  lastPoint: Point.nullable(),
  agent: z.object({ version: z.string().nullable(), connected: z.boolean(), lastSeenAt: Instant.nullable() }),
  disks: z.array(
    z.object({
      id: DiskId,
      device: Device,
      sizeBytes: Count,
      replicatedBytes: Count.nullable(),
      backlogBytes: Count.nullable(),
      tracker: Tracker.nullable(),
    }),
  ),
});
export type Machine = z.infer<typeof Machine>;

export const MachinePage = z.object({ machines: z.array(Machine), nextPageToken: z.string().nullable() });
export type MachinePage = z.infer<typeof MachinePage>;

export const InitiationReport = z.object({
  steps: z.array(
    z.object({
      step: InitiationStep,
      state: StepState,
      error: Sentence.nullable(),
      nextAttemptAt: Instant.nullable(),
      changedAt: Instant.nullable(),
    }),
  ),
});
export type InitiationReport = z.infer<typeof InitiationReport>;

/** One instant of a machine's statistics. */
export const SeriesSample = z.object({
  at: Instant,
  replicationState: ReplicationState.nullable(),
  lagSeconds: z.number().nullable(),
  backlogBytes: Count.nullable(),
  replicatedBytes: Count.nullable(),
  bytesReadSource: Count.nullable(),
  bytesSentWire: Count.nullable(),
  bytesRaw: Count.nullable(),
  lastPauseMicroseconds: Count.nullable(),
  residentBytes: Count.nullable(),
  cpuSeconds: z.number().nullable(),
  trackerLosses: Count.nullable(),
  /** Null: none, or an agent that does not tell. */
  bandwidthLimitBitsPerSecond: Count.nullable(),
  /** Since tracking began; null: an agent of before, which does not tell. */
  bytesWritten: Count.nullable().default(null),
  bytesDirtied: Count.nullable().default(null),
});
export const SeriesQuery = z.strictObject({
  since: Instant.optional(),
  limit: z.coerce.number<string | number>().int().min(1).max(10_000).default(1_000),
});
export type SeriesQuery = z.input<typeof SeriesQuery>;
export const Series = z.object({ samples: z.array(SeriesSample) });
export type Series = z.infer<typeof Series>;
