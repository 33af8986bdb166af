/**
 * Every place where the store makes something durable, by name. A step names the call site in errors and logs, lets the
 * simulation cut the power there, and lets a test take it out: `sync-steps.test.ts` fails if the store stays correct
 * without one of them. `docs/staging-format.md` derives each from R12 to R15.
 */
export const SYNC_STEPS = [
  // opening
  'open.key-file',
  'open.root-folder',
  'open.points-folder',
  // machine.json and mark.json
  'machine.file',
  'machine.folder',
  'mark.file',
  'mark.folder',
  // images and digests that are written in place
  'disk.folder',
  'replica.image',
  'replica.digests',
  // manifests, and points that go
  'manifest.file',
  'points.folder',
  'delete.points-folder',
  // pins.json
  'pins.file',
  'pins.folder',
  // reflink
  'clone.image',
  'clone.digests',
  'point.folder',
  // journal
  'open.segments-folder',
  'segment.folder',
  'segment.mark',
  'segment.seal',
  'segment.recovery',
  'segment.removal',
  'compaction.file',
  'compaction.folder',
  'merge.image',
  'merge.digests',
] as const;

export type SyncStep = (typeof SYNC_STEPS)[number];
