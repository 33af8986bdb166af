/**
 * `/run/lms-agent`: memory that outlives processes but not the boot.
 *
 * Between freeze and thaw the agent may write to tmpfs only (R17): a write to a frozen file system waits for the thaw
 * that it delays. On most machines `/run` is a tmpfs; where it is not (containers, small systems), the agent mounts one
 * for itself. That is done under a lock: a second mount would hide what the first agent has written.
 */
import { mkdirSync, statfsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LmsError } from '@lms/errors';
import { mountFileSystem, tryLockFile, type FileLock } from '@lms/linux';

export const RUNTIME_ROOT = '/run/lms-agent';
/** TMPFS_MAGIC and RAMFS_MAGIC of linux/magic.h. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
const LOCK_PATH = '/run/lms-agent.lock';
/** Mounting takes milliseconds: who waits longer waits for a process that hangs. */
const LOCK_ATTEMPTS = 500;
const LOCK_PAUSE_MILLISECONDS = 10;

/** Makes the folder, in memory. */
export async function ensureRuntimeRoot(): Promise<void> {
  if (isInMemory(RUNTIME_ROOT)) return;
  const lock = await acquireLock();
  try {
    mkdirSync(RUNTIME_ROOT, { recursive: true, mode: 0o700 });
    if (!isInMemory(RUNTIME_ROOT)) mountFileSystem('lms-agent', RUNTIME_ROOT, 'tmpfs', 'mode=0700');
  } finally {
    lock.release();
  }
}

export function isInMemory(path: string): boolean {
  try {
    return MEMORY_FILE_SYSTEMS.has(statfsSync(path).type);
  } catch {
    return false; // not there
  }
}

async function acquireLock(): Promise<FileLock> {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    const result = tryLockFile(LOCK_PATH);
    if (result.held) return result.lock;
    await sleep(LOCK_PAUSE_MILLISECONDS);
  }
  throw new LmsError('UNAVAILABLE', `another process holds ${LOCK_PATH}`, {
    action: 'See which process it is (its pid is in the file), and whether it hangs.',
  });
}
