import { z } from 'zod';
import { Instant, MachineId, PageQuery } from './values.ts';

/** One thing that exists for a machine where replication servers run. */
export const StagingObject = z.object({
  /** null: it carries our mark, and names no machine. */
  machineId: MachineId.nullable(),
  /** As its place calls it: StatefulSet, PersistentVolumeClaim, StagingFolder, … */
  kind: z.string(),
  name: z.string(),
  /** Its machine was removed, and so it is being deleted. */
  removing: z.boolean(),
});
export type StagingObject = z.infer<typeof StagingObject>;

export const StagingObjectsQuery = PageQuery.extend({
  /** Only of this one; it may be a machine that the manager does not know (any more). */
  machineId: MachineId.optional(),
});
export type StagingObjectsQuery = z.input<typeof StagingObjectsQuery>;
export const StagingObjectPage = z.object({ objects: z.array(StagingObject), nextPageToken: z.string().nullable() });
export type StagingObjectPage = z.infer<typeof StagingObjectPage>;

/** A machine that is removed: its list of staging objects becomes empty, which is the proof. */
export const MachineRemoval = z.object({
  machineId: MachineId,
  /** null: only the staging area knew it. */
  name: z.string().nullable(),
  removedAt: Instant,
  /** It had been removed before this request. */
  repeated: z.boolean(),
  /** Not gone yet. */
  objects: z.array(StagingObject),
});
export type MachineRemoval = z.infer<typeof MachineRemoval>;
