import { expect, test } from '@jest/globals';
import { CommandError, exitCodeOf } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { Patience } from './patience.ts';

const { signal } = new AbortController();
const away = new LmsError('UNAVAILABLE', 'away');

function create(limitMilliseconds: number, ending: AbortSignal = signal) {
  const told: string[] = [];
  const pauses: number[] = [];
  const patience = new Patience({
    limitMilliseconds,
    signal: ending,
    onPause: (_error, milliseconds) => pauses.push(milliseconds),
    onOutage: ({ message }) => Promise.resolve(void told.push(message)),
  });
  return { patience, told, pauses };
}

test('what may pass is tried again, with growing pauses, and a longer interruption is told once', async () => {
  const { patience, told, pauses } = create(60_000);
  let attempts = 0;
  const value = await patience.keepTrying(() => {
    attempts += 1;
    return attempts < 4 ? Promise.reject(away) : Promise.resolve('here');
  });
  expect([value, attempts, told]).toEqual(['here', 4, ['away']]);
  expect(pauses).toEqual([...pauses].sort((one, other) => one - other));
});

test('what will not pass by itself ends it at once', async () => {
  const { patience } = create(60_000);
  const codes = ['NOT_FOUND', 'DATA_LOSS', 'UNAUTHENTICATED', 'PROTOCOL_VIOLATION'] as const;
  for (const code of codes) {
    await expect(patience.failed(new LmsError(code, 'no'))).rejects.toMatchObject({ code });
  }
  // A full disk here is not the manager's affair.
  await expect(patience.failed(new CommandError('failed', 'STAGING_FULL', 'full'))).rejects.toMatchObject({
    code: 'STAGING_FULL',
  });
});

test('without progress it gives up with exit 3, and says why and how to go on', async () => {
  const { patience } = create(1);
  const thrown = await patience.keepTrying(() => Promise.reject(away)).catch((error: unknown) => error);
  expect(exitCodeOf(thrown)).toBe(3);
  expect(thrown).toMatchObject({
    message: expect.stringContaining('away'),
    action: expect.stringContaining('--resume'),
  });
});

test('who interrupts does not wait', async () => {
  const ending = new AbortController();
  const { patience } = create(60_000, ending.signal);
  const waiting = patience.failed(away);
  ending.abort(new Error('Ctrl-C'));
  await expect(waiting).rejects.toThrow('Ctrl-C');
});
