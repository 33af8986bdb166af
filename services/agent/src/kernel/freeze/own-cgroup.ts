/**
 * A cgroup for the guardian alone, at the top of the cgroup v2 hierarchy: whoever stops, freezes or kills the agent's
 * group does not reach it. Hierarchies of version 1 are left as they are.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMountInfo } from './mount-table.ts';

const NAME = 'lms-guardian';

/** Throws where there is no hierarchy of version 2, or none that we may write to. */
export function enterOwnCgroup(): void {
  const folder = cgroupFolder();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cgroup.procs'), String(process.pid));
}

/** Leaves it when the guardian of another agent is still in it. */
export function removeOwnCgroup(): void {
  try {
    rmdirSync(cgroupFolder());
  } catch {
    return; // not there, or in use
  }
}

function cgroupFolder(): string {
  const rows = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'), '');
  const mount = rows.find((row) => row.fileSystemType === 'cgroup2');
  if (mount === undefined) throw new Error('cgroup v2 is not mounted');
  return join(mount.path, NAME);
}
