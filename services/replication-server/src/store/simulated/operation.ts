/** What the simulated file system tells about each operation before it does it, and what may be answered. */
import type { SyncStep } from '../sync-steps.ts';

export type OperationKind =
  | 'create'
  | 'open'
  | 'read'
  | 'write'
  | 'punch'
  | 'truncate'
  | 'sync'
  | 'dropCache'
  | 'list'
  | 'makeFolder'
  | 'rename'
  | 'remove'
  | 'syncFolder'
  | 'clone'
  | 'space';

export interface SimulatedOperation {
  /** Counts from 0 over the life of the file system. */
  readonly index: number;
  readonly kind: OperationKind;
  readonly path: string;
  /** Of `sync` and `syncFolder`. */
  readonly step: SyncStep | null;
}

/**
 * - `proceed`: do it;
 * - `lie`: a sync that returns and has done nothing; everything else proceeds;
 * - `kill`, `powerCut`: die in the middle of it: a write may be half done, a sync may have taken effect or not;
 * - an Error: throw it. A write was done in part, a sync loses what it should have written (as Linux does).
 */
export type Verdict = 'proceed' | 'lie' | 'kill' | 'powerCut' | Error;

export type OperationHook = (operation: SimulatedOperation) => Verdict | Promise<Verdict>;

/** Thrown by every call of a process that is no more, when `afterDeath` is `reject`. */
export class SimulatedDeath extends Error {
  constructor() {
    super('the simulated process is gone');
    this.name = 'SimulatedDeath';
  }
}

export function simulatedError(
  code: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'ENOENT' | 'EOPNOTSUPP' | 'EBADF',
  what: string,
): Error {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code });
}
