/** Operations: what was asked of an agent or a replication server, and what became of it. */
import type { Operation, OperatorApi } from '@lms/api';
import { CommandError } from '@lms/command-line';
import type { ExitName } from '@lms/command-line';
import { isErrorCode } from '@lms/errors';
import type { ErrorCode } from '@lms/errors';
import { pollUntil } from './poll.ts';

/** The manager holds a question for at most 25 s. */
const WAIT_SECONDS = 20;
/** The one who carries it out gives up at the deadline; its answer, and the manager's own verdict, need a moment more. */
export const VERDICT_MARGIN_MILLISECONDS = 15_000;

export interface OperationWait {
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
  readonly what: string;
}

/** The operation once it has succeeded; a failed one is thrown with the exit code of its reason. */
export async function waitForOperation(api: OperatorApi, operationId: string, wait: OperationWait): Promise<Operation> {
  const operation = await pollUntil(
    async (signal) => {
      const seen = await api.operation(operationId, Math.min(WAIT_SECONDS, wait.timeoutMilliseconds / 1_000), signal);
      return seen.state === 'pending' ? { done: false } : { done: true, value: seen };
    },
    { ...wait, describe: () => `${wait.what} is not done yet (operation ${operationId})` },
  );
  if (operation.state === 'failed') throw failureOf(operation, wait.what);
  return operation;
}

/** Only these say something about the caller's question; a part that is away is a failure, not an unreachable manager. */
const EXIT_OF_FAILURE: Readonly<Partial<Record<ErrorCode, ExitName>>> = {
  DEADLINE_EXCEEDED: 'timedOut',
  FAILED_PRECONDITION: 'refused',
  NOT_FOUND: 'notFound',
  REMOVED: 'notFound',
};

function failureOf(operation: Operation, what: string): CommandError {
  const code = isErrorCode(operation.code) ? operation.code : 'INTERNAL';
  const reason = operation.message ?? 'no reason was given';
  return new CommandError(EXIT_OF_FAILURE[code] ?? 'failed', code, `${what}: ${reason}`);
}
