import type { OperatorApi, Status } from '@lms/api';
import { CommandError, exitCodeOf, EXIT_CODES, formatDurationSeconds, parseDuration } from '@lms/command-line';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { statusResult } from '../results/status.ts';
import type { ManagerSession } from '../session.ts';

const POLL_MILLISECONDS = 250;
/** One question while waiting: a manager that has just started may take a connection and not answer yet. */
const QUESTION_MILLISECONDS = 5_000;

export function addStatusCommand(program: Command, session: ManagerSession): void {
  program
    .command('status')
    .description('health of the manager and its components; exit 1 when one is not healthy')
    .option('--wait <time>', 'wait until all are healthy, also for a manager that is not there yet', parseDuration)
    .action(async (options: { readonly wait?: number }) => {
      const status =
        options.wait === undefined
          ? await session.use((api) => api.status(session.signal))
          : await waitUntilHealthy(session, options.wait);
      await session.print(statusResult(status));
      if (!status.healthy) throw new CommandError('failed', 'UNAVAILABLE', unhealthySentence(status));
    });
}

async function waitUntilHealthy(session: ManagerSession, timeoutMilliseconds: number): Promise<Status> {
  // Without a name there is nothing to wait for; a file that is not there yet is written by a manager that starts.
  if (!session.contextIsNamed) return session.use((api) => api.status(session.signal));
  const deadline = performance.now() + timeoutMilliseconds;
  let why = 'no answer yet';
  for (;;) {
    const leftMilliseconds = deadline - performance.now();
    if (leftMilliseconds <= 0) {
      const after = formatDurationSeconds(timeoutMilliseconds / 1_000);
      throw new CommandError('timedOut', 'DEADLINE_EXCEEDED', `the manager is not healthy after ${after}: ${why}`, {
        action: 'See the log of `lms manager`.',
      });
    }
    try {
      const status = await session.use((api) => askOnce(api, session.signal, leftMilliseconds));
      if (status.healthy) return status;
      why = unhealthySentence(status);
    } catch (thrown) {
      session.signal.throwIfAborted();
      const exit = exitCodeOf(thrown);
      if (exit !== EXIT_CODES.unreachable && exit !== EXIT_CODES.timedOut) throw thrown;
      why = thrown instanceof Error ? thrown.message : String(thrown);
    }
    session.progress.note(`waiting: ${why}`);
    await sleep(POLL_MILLISECONDS, undefined, { signal: session.signal });
  }
}

function askOnce(api: OperatorApi, signal: AbortSignal, leftMilliseconds: number): Promise<Status> {
  const limit = AbortSignal.timeout(Math.ceil(Math.min(leftMilliseconds, QUESTION_MILLISECONDS)));
  return api.status(AbortSignal.any([signal, limit]));
}

function unhealthySentence(status: Status): string {
  const parts = status.components
    .filter((component) => !component.healthy)
    .map(({ name, detail }) => (detail === null ? name : `${name} (${detail})`));
  return parts.length === 0 ? 'the manager is not healthy' : `not healthy: ${parts.join(', ')}`;
}
