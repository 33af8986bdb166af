/**
 * Where tracefs is. If the machine has it mounted at its usual place, that is used; otherwise the agent mounts it for
 * itself, in a folder that only root can enter.
 */
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { LmsError } from '@lms/errors';
import { isSystemError, mountFileSystem, unmountFileSystem } from '@lms/linux';
import { RUNTIME_ROOT, ensureRuntimeRoot } from '../runtime/runtime-root.ts';

const USUAL_FOLDER = '/sys/kernel/tracing';
const PRIVATE_FOLDER = `${RUNTIME_ROOT}/tracing`;
/** TRACEFS_MAGIC of linux/magic.h. */
const TRACEFS_MAGIC = 0x74726163;

/** The folder of tracefs; mounts it if need be. UNSUPPORTED where the kernel does not give it. */
export async function ensureTracefs(): Promise<string> {
  const folder = mountedTracefs();
  if (folder !== null) return folder;
  await ensureRuntimeRoot();
  mkdirSync(PRIVATE_FOLDER, { recursive: true, mode: 0o700 });
  try {
    if (!isTracefs(PRIVATE_FOLDER)) mountFileSystem('tracefs', PRIVATE_FOLDER, 'tracefs');
  } catch (thrown) {
    throw new LmsError('UNSUPPORTED', 'tracefs cannot be mounted', {
      action: 'Run the agent as root on the host itself, with a kernel that has tracing and is not locked down.',
      cause: thrown,
    });
  }
  if (!existsSync(`${PRIVATE_FOLDER}/instances`)) {
    throw new LmsError('UNSUPPORTED', 'this kernel has no trace instances', {
      action: 'Use a kernel of version 3.10 or later with CONFIG_FTRACE.',
    });
  }
  return PRIVATE_FOLDER;
}

/** The folder of tracefs if it is mounted where we look; null otherwise. */
export function mountedTracefs(): string | null {
  return [USUAL_FOLDER, PRIVATE_FOLDER].find(isTracefs) ?? null;
}

/** Unmounts what `ensureTracefs` mounted; true when it did. Left alone while somebody has files of it open. */
export function unmountPrivateTracefs(): boolean {
  if (!isTracefs(PRIVATE_FOLDER)) return false;
  try {
    unmountFileSystem(PRIVATE_FOLDER);
    return true;
  } catch (thrown) {
    if (isSystemError(thrown, 'EBUSY')) return false;
    throw thrown;
  }
}

function isTracefs(folder: string): boolean {
  try {
    return statfsSync(folder).type === TRACEFS_MAGIC;
  } catch {
    return false; // not there
  }
}
