/**
 * The trace instance of a measurement: made anew, and removed at its end. One that a killed measurement left is removed by the
 * next one, and by uninstall: its name carries the process, and the kernel refuses to remove what is being read.
 */
import { existsSync } from 'node:fs';
import { toLmsError } from '@lms/errors';
import type { SourceDisk, TraceInstance } from '../core/index.ts';
import { openTraceInstance, removeRuntimeFolder, removeTraceInstance, traceInstanceNames } from '../kernel/index.ts';

const NAME_PATTERN = /^lms-bandwidth-(\d+)$/;
/** Nothing is kept there: removing it removes what was made for tracefs, if nobody else needs it. */
const NO_FOLDER = 'bandwidth';

export async function openOwnInstance(disks: readonly SourceDisk[]): Promise<TraceInstance> {
  removeLeftInstances();
  return openTraceInstance({ name: nameOf(process.pid), disks, mode: 'fresh' });
}

export async function removeOwnInstance(): Promise<void> {
  removeTraceInstance(nameOf(process.pid));
  await removeRuntimeFolder(NO_FOLDER);
}

/** Says what it removed. */
export function removeLeftInstances(): string[] {
  const removed: string[] = [];
  for (const name of traceInstanceNames()) {
    const pid = NAME_PATTERN.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      removed.push(...removeTraceInstance(name));
    } catch (thrown) {
      // Somebody looks into it: the next one removes it.
      if (toLmsError(thrown).code !== 'FAILED_PRECONDITION') throw thrown;
    }
  }
  return removed;
}

function nameOf(pid: number): string {
  return `lms-bandwidth-${pid}`;
}
