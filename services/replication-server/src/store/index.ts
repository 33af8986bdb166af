/** Staging: one machine's replica and its points in time, in one folder (docs/staging-format.md). */
export type * from './staging-store.ts';
export type * from './store-file-system.ts';
export { openStagingStore } from './open-staging-store.ts';
export type { OpenStagingStoreOptions } from './open-staging-store.ts';
export type { StoreLogger } from './logger.ts';
export { DEFAULT_RETENTION, pointsToDelete } from './space/retention.ts';
export { SYNC_STEPS } from './sync-steps.ts';
export type { SyncStep } from './sync-steps.ts';
export { FolderFileSystem } from './folder/folder-file-system.ts';
