/** The agent's core: replication without I/O. The agent's main and the simulation run exactly this. */
export * from './ports.ts';
export * from './operation.ts';
export * from './status.ts';
export { Replicator, type ReplicatorOptions } from './replicator.ts';
export type { OpenTrace } from './tracking.ts';
export * from './guardian.ts';
export { FREEZE_LIMIT_MILLISECONDS } from './window.ts';
