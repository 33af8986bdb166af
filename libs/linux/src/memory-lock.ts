/**
 * Keeps this process's pages in memory, so that nothing it does between freeze and thaw waits for a disk (R17).
 *
 * ONFAULT: pages are locked as they are first used. Without it the whole address space is filled at once, which for
 * Node is its 200 MB binary and every reserved arena. The downside: a page never used before is still read from disk,
 * so the guardian runs through its whole course once before it is needed.
 */
import { declareSystemCall } from './c-library.ts';

const mlockall = declareSystemCall('int mlockall(int flags)');
const CURRENT_FUTURE_ONFAULT = 1 | 2 | 4;

/** EPERM or ENOMEM where the process may not lock memory. */
export function lockMemory(): void {
  mlockall.run('mlockall', CURRENT_FUTURE_ONFAULT);
}
