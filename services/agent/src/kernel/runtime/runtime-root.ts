/**
 * `/run/lms-agent`: memory that outlives processes but not the boot.
 *
 * Between freeze and thaw the agent may write to tmpfs only (R17): a write to a frozen file system waits for the thaw
 * that it delays. On most machines `/run` is a tmpfs; where it is not (containers, small systems), the agent mounts one
 * for itself. That is done under a lock: a second mount would hide what the first agent has written.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, rmdirSync, statSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LmsError } from '@lms/errors';
import { mountFileSystem, tryLockFile, unmountFileSystem, type FileLock } from '@lms/linux';

export const RUNTIME_ROOT = '/run/lms-agent';
/** TMPFS_MAGIC and RAMFS_MAGIC of linux/magic.h. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
const LOCK_PATH = '/run/lms-agent.lock';
/** Mounting takes milliseconds: who waits longer waits for a process that hangs. */
const LOCK_ATTEMPTS = 500;
const LOCK_PAUSE_MILLISECONDS = 10;

const ID_PATTERN = /^[A-Za-z0-9-]{1,64}$/;

/** `/run/lms-agent/<id>`. */
export function runtimeFolder(id: string): string {
  if (!ID_PATTERN.test(id)) throw new RangeError(`not an id of runtime memory: ${id}`);
  return join(RUNTIME_ROOT, id);
}

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

/**
 * For uninstall: removes the memory of one agent, and, when no other agent has any, everything that was made for it.
 * Says what it removed.
 */
export async function removeRuntimeFolder(id: string): Promise<string[]> {
  const folder = runtimeFolder(id);
  const removed: string[] = [];
  if (existsSync(folder)) {
    rmSync(folder, { recursive: true, force: true });
    removed.push(`runtime memory ${folder}`);
  }
  if (!existsSync(RUNTIME_ROOT)) return removed;
  const lock = await acquireLock();
  try {
    // The folder for tracefs may be left; while tracefs is mounted there it cannot be removed, which is right.
    rmdirIfEmpty(join(RUNTIME_ROOT, 'tracing'));
    if (readdirSync(RUNTIME_ROOT).length > 0) return removed;
    if (isMountPoint(RUNTIME_ROOT)) unmountFileSystem(RUNTIME_ROOT);
    rmdirSync(RUNTIME_ROOT);
    rmSync(LOCK_PATH, { force: true });
    removed.push(`runtime folder ${RUNTIME_ROOT}`);
  } finally {
    lock.release();
  }
  return removed;
}

function rmdirIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    return; // not there, not empty, or a file system is mounted on it
  }
}

function isMountPoint(path: string): boolean {
  return statSync(path).dev !== statSync(dirname(path)).dev;
}
