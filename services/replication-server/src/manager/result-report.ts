/** Gives the manager a result until it has taken it, or says that it wants none. */
import type { ReplicationServerApi, TaskResult } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';

const BACK_OFF = { firstMilliseconds: 500, longestMilliseconds: 15_000 };
/** Codes by which the manager says that it wants no result (any more). */
const RESULT_NOT_WANTED = new Set(['NOT_FOUND', 'FAILED_PRECONDITION', 'INVALID_ARGUMENT', 'PERMISSION_DENIED']);

/** Until the signal aborts. Never rejects. */
export async function reportResult(
  api: Pick<ReplicationServerApi, 'taskResult'>,
  id: string,
  result: TaskResult,
  signal: AbortSignal,
): Promise<void> {
  const backOff = new BackOff(BACK_OFF);
  while (!signal.aborted) {
    try {
      await api.taskResult(id, result, signal);
      return;
    } catch (thrown) {
      if (RESULT_NOT_WANTED.has(toLmsError(thrown).code)) return;
      await pause(backOff.failed(), signal);
    }
  }
}
