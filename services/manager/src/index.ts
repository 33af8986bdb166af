/** The whole manager in one process: the default on one host. */
export type { Address } from './address.ts';
export { Manager, runManager, type ManagerOptions } from './manager.ts';
