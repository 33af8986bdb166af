/**
 * Waiting for a condition at the manager, with a time-out. A manager that goes away for a while (a restart) is waited for;
 * one that stays away is "unreachable" (exit 6), well before a long time-out is over.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, formatDurationSeconds } from '@lms/command-line';
import { toLmsError } from '@lms/errors';

const POLL_MILLISECONDS = 500;
/** A restart of the manager takes a few seconds; somebody who started none should not wait long for the news. */
const AWAY_TOLERANCE_MILLISECONDS = 30_000;

export type Poll<Value> = { readonly done: true; readonly value: Value } | { readonly done: false };

export interface PollOptions {
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
  /** What is waited for, and how far it is; the sentence of the time-out. */
  readonly describe: () => string;
  readonly awayToleranceMilliseconds?: number;
  /** What to do when the time is over. */
  readonly action?: string;
}

export async function pollUntil<Value>(
  poll: (signal: AbortSignal) => Promise<Poll<Value>>,
  options: PollOptions,
): Promise<Value> {
  const tolerance = options.awayToleranceMilliseconds ?? AWAY_TOLERANCE_MILLISECONDS;
  const deadline = performance.now() + options.timeoutMilliseconds;
  let awaySince: number | null = null;
  let reached = false;
  for (;;) {
    try {
      const limit = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())));
      const answer = await poll(AbortSignal.any([options.signal, limit]));
      if (answer.done) return answer.value;
      reached = true;
      awaySince = null;
    } catch (thrown) {
      if (options.signal.aborted) throw thrown;
      const error = toLmsError(thrown);
      if (performance.now() < deadline) {
        const away = error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED';
        awaySince ??= performance.now();
        if (!away || !reached || performance.now() - awaySince > tolerance) throw thrown;
      }
    }
    const leftMilliseconds = deadline - performance.now();
    if (leftMilliseconds <= 0) throw timedOut(options);
    await sleep(Math.min(POLL_MILLISECONDS, leftMilliseconds), undefined, { signal: options.signal });
  }
}

function timedOut(options: PollOptions): CommandError {
  const after = formatDurationSeconds(options.timeoutMilliseconds / 1_000);
  return new CommandError('timedOut', 'DEADLINE_EXCEEDED', `timed out after ${after}: ${options.describe()}`, {
    action: options.action ?? 'Wait longer with --timeout, or see `lms machine show`.',
  });
}
