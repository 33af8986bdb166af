import { pause } from '@lms/service';
import type { RuntimeMemory } from './core/index.ts';
import { STATUS_FILE } from './status-report.ts';
import type { RunningStatus } from './status-report.ts';

const INTERVAL_MILLISECONDS = 1_000;

/** In memory (tmpfs), so that it may be written at any time (R17). Until the signal aborts. */
export async function keepStatusFile(
  memory: RuntimeMemory,
  status: () => RunningStatus,
  signal: AbortSignal,
): Promise<void> {
  const write = (): void => memory.replace(STATUS_FILE, Buffer.from(JSON.stringify(status())));
  do write();
  while (await pause(INTERVAL_MILLISECONDS, signal));
  write();
}
