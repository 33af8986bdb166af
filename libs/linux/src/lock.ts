/**
 * A lock that one process at a time holds on a file (flock). It ends with the process, whatever way that ends, so there
 * are no stale locks. The holder's pid stands in the file for people; it plays no part in the locking.
 */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { declareSystemCall } from './c-library.ts';
import { SystemError } from './system-error.ts';

const flock = declareSystemCall('int flock(int fd, int operation)');
const LOCK_EXCLUSIVE_NONBLOCKING = 2 | 4;
const EAGAIN = 11;

export interface FileLock {
  release(): void;
}

export type LockAttempt =
  | { readonly held: true; readonly lock: FileLock }
  /** `holder`: the pid that the other process wrote; null when it wrote none (yet). */
  | { readonly held: false; readonly holder: number | null };

/**
 * Tries once, never waits: false when another holds it. The lock belongs to the open file: a child that inherits the
 * descriptor holds it too, and it ends when the last of them closes it.
 */
export function tryLock(fileDescriptor: number): boolean {
  const result = flock.attempt(fileDescriptor, LOCK_EXCLUSIVE_NONBLOCKING);
  if (result < 0 && result !== -EAGAIN) throw new SystemError('flock', -result);
  return result >= 0;
}

/** Tries once, never waits. Makes the file (mode 0600) when it is not there; it stays when the lock is released. */
export function tryLockFile(path: string): LockAttempt {
  const fileDescriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    if (!tryLock(fileDescriptor)) {
      const holder = Number.parseInt(readFileSync(fileDescriptor, 'utf8'), 10);
      closeSync(fileDescriptor);
      return { held: false, holder: Number.isSafeInteger(holder) ? holder : null };
    }
    ftruncateSync(fileDescriptor, 0);
    writeSync(fileDescriptor, `${process.pid}\n`, 0);
  } catch (thrown) {
    closeSync(fileDescriptor);
    throw thrown;
  }
  let open = true;
  return {
    held: true,
    lock: {
      release() {
        if (!open) return;
        open = false;
        closeSync(fileDescriptor);
      },
    },
  };
}
