/** Who has a file open: how the holder of an inherited flock is found, since the lock itself names nobody. */
import { readdirSync, statSync } from 'node:fs';

/** Pids of other processes (of this user, or all as root) that have the file open. */
export function processesWithOpenFile(path: string): readonly number[] {
  const file = statSync(path);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && hasOpen(pid, file.dev, file.ino));
}

function hasOpen(pid: number, device: number, inode: number): boolean {
  let descriptors: readonly string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    // It has ended, or it is not ours to look at.
    return false;
  }
  return descriptors.some((descriptor) => {
    try {
      const opened = statSync(`/proc/${pid}/fd/${descriptor}`);
      return opened.dev === device && opened.ino === inode;
    } catch {
      return false;
    }
  });
}
