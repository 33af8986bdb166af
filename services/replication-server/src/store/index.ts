/** Staging: one machine's replica and its points in time, in one folder (docs/staging-format.md). */
export type * from './staging-store.ts';
export type * from './store-file-system.ts';
export { SYNC_STEPS } from './sync-steps.ts';
export type { SyncStep } from './sync-steps.ts';
