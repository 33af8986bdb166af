import type { CheckReport, OperatorApi } from '@lms/api';
import { CommandError } from '@lms/command-line';
import { waitForOperation } from './operation.ts';
import type { OperationWait } from './operation.ts';

/** The report of a check that was carried out, whatever it found. */
export async function waitForCheck(api: OperatorApi, operationId: string, wait: OperationWait): Promise<CheckReport> {
  const { checkReport } = await waitForOperation(api, operationId, wait);
  if (checkReport !== null) return checkReport;
  throw new CommandError('failed', 'UNSUPPORTED', `${wait.what}: its report is not understood here`, {
    action: 'Bring this command and the manager to the same release.',
  });
}
