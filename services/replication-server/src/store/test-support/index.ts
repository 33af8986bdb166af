/** For the power cuts on real file systems: the same agent and oracle as on the simulated one. */
export { CrashAgent } from './crash-agent.ts';
export { CrashOracle, Violation } from './crash-oracle.ts';
export type { OracleState } from './crash-oracle.ts';
export { seeded } from './source-disks.ts';
export type { SourceDisk } from './source-disks.ts';
