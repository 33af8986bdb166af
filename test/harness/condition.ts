// Tests wait for a condition, never for a time. The limit only ends a wait for something that will not come.

import { setTimeout as pause } from 'node:timers/promises';

const POLL_MILLISECONDS = 100;

export interface WaitOptions {
  /** Default 60 s: far above what any condition takes on a slow machine. */
  readonly timeoutMilliseconds?: number;
  readonly pollMilliseconds?: number;
  readonly signal?: AbortSignal;
}

/** Resolves with the first answer that is not undefined or false; an error of the probe is "not yet", and is told at the end. */
export async function waitFor<Answer>(
  what: string,
  probe: () => Promise<Answer | undefined | false> | Answer | undefined | false,
  options: WaitOptions = {},
): Promise<Answer> {
  const { timeoutMilliseconds = 60_000, pollMilliseconds = POLL_MILLISECONDS, signal } = options;
  const deadline = performance.now() + timeoutMilliseconds;
  let lastError: unknown;
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await pause(pollMilliseconds, undefined, signal === undefined ? {} : { signal });
  }
  const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`waited ${timeoutMilliseconds / 1000} s in vain for ${what}${reason}`, { cause: lastError });
}
