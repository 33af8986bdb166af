/** Test support: the file system that loses everything it is allowed to lose. */
export { SimulatedFileSystem } from './simulated-file-system.ts';
export type { SimulatedFileSystemOptions } from './simulated-file-system.ts';
export { SimulatedDeath, simulatedError } from './operation.ts';
export type { OperationHook, OperationKind, SimulatedOperation, Verdict } from './operation.ts';
