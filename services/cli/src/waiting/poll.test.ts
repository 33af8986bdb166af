import { expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { pollUntil } from './poll.ts';

const signal = new AbortController().signal;
const away = new LmsError('UNAVAILABLE', 'away');

function exitOf(work: Promise<unknown>): Promise<number> {
  return work.then(() => 0, exitCodeOf);
}

test('a time-out is exit 3 and says how far it came', async () => {
  const waiting = pollUntil(() => Promise.resolve({ done: false }), {
    timeoutMilliseconds: 5,
    signal,
    describe: () => 'at BACKLOG',
  });
  await expect(waiting).rejects.toMatchObject({ exit: 'timedOut', message: expect.stringContaining('at BACKLOG') });
});

test('a manager that was never reached is exit 6 at once', async () => {
  const options = { timeoutMilliseconds: 60_000, signal, describe: () => '' };
  expect(await exitOf(pollUntil(() => Promise.reject(away), options))).toBe(6);
});

test('a manager that was there is waited for while it restarts, and no longer than that', async () => {
  const answers = [{ done: false } as const, away, { done: true, value: 'here' } as const];
  const next = (): Promise<{ readonly done: false } | { readonly done: true; readonly value: string }> => {
    const answer = answers.shift() ?? away;
    return answer instanceof LmsError ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const options = { timeoutMilliseconds: 60_000, signal, describe: () => '' };
  expect(await pollUntil(next, options)).toBe('here');
  answers.push({ done: false });
  expect(await exitOf(pollUntil(next, { ...options, awayToleranceMilliseconds: 0 }))).toBe(6);
});

test('what will not pass is thrown at once', async () => {
  const missing = new LmsError('NOT_FOUND', 'no such machine');
  const options = { timeoutMilliseconds: 60_000, signal, describe: () => '' };
  expect(await exitOf(pollUntil(() => Promise.reject(missing), options))).toBe(4);
});
