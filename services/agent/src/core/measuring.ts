/** Of the core, what measures a machine without replicating it (`../bandwidth`). */
export type { BlockRange } from './block-map.ts';
export { ChangeTracker, type TrackedDisk } from './change-tracker.ts';
export { DiskMap } from './disk-map.ts';
