/**
 * Names of what belongs to an agent outside its state folder: its folder below `/run`, and its instance in tracefs. Both
 * come from the folder's real path, so that several agents on one host never meet, and one agent always finds its own.
 */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Also of a folder that is not there (any more): what exists of it is resolved, the rest is taken as it is. */
export function realStatePath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch (thrown) {
    const parent = dirname(absolute);
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT' || parent === absolute) throw thrown;
    return join(realStatePath(parent), basename(absolute));
  }
}

/** 16 hexadecimal digits. */
export function runtimeId(realPath: string): string {
  return createHash('sha256').update(realPath).digest('hex').slice(0, 16);
}

export function traceInstanceName(realPath: string): string {
  return `lms-${runtimeId(realPath)}`;
}
