/** The row `nats` of `lms status`: health by our own connection to it, pid by its pid file. */
import { readFileSync } from 'node:fs';
import type { EventConnection } from '@lms/events';
import type { ComponentReport } from '@lms/proto';

export function reportNats(connection: EventConnection | null, pidFile: string | null): ComponentReport {
  const pid = pidFile === null ? null : readPid(pidFile);
  const { healthy, detail } = connection?.health() ?? { healthy: false, detail: 'not connected yet' };
  return { name: 'nats', healthy, detail: detail ?? '', ...(pid === null ? {} : { pid }) };
}

function readPid(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    // It is starting, or gone: health says so.
    return null;
  }
}
