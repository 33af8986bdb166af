import { expect, test } from '@jest/globals';
import { ERROR_CODES, LmsError } from '@lms/errors';
import { CommandError, describeError, exitCodeOf, withExit } from './exit-code.ts';

test('every error code has an exit code from 1 to 6', () => {
  for (const code of ERROR_CODES) {
    const exit = exitCodeOf(new LmsError(code, 'x'));
    expect(exit).toBeGreaterThanOrEqual(1);
    expect(exit).toBeLessThanOrEqual(6);
  }
});

test('what scripts rely on: usage 2, time-out 3, not known 4, refused by state 5, not reached 6', () => {
  const exitOf = (code: ConstructorParameters<typeof LmsError>[0]): number => exitCodeOf(new LmsError(code, 'x'));
  expect(exitOf('INVALID_ARGUMENT')).toBe(2);
  expect(exitOf('DEADLINE_EXCEEDED')).toBe(3);
  expect(exitOf('NOT_FOUND')).toBe(4);
  expect(exitOf('FAILED_PRECONDITION')).toBe(5);
  for (const code of ['UNAVAILABLE', 'UNAUTHENTICATED', 'PERMISSION_DENIED'] as const) expect(exitOf(code)).toBe(6);
  expect(exitCodeOf(new Error('anything else'))).toBe(1);
});

test('a command that knows better keeps its exit code, also when it is wrapped again', () => {
  const missing = withExit('failed', Object.assign(new Error('no such file'), { code: 'ENOENT' }), 'reading');
  expect(exitCodeOf(missing)).toBe(1);
  expect(withExit('usage', missing)).toBe(missing);
  expect(exitCodeOf(new CommandError('timedOut', 'UNAVAILABLE', 'x'))).toBe(3);
});

test('an error is one line, whatever is in it', () => {
  const line = describeError(new LmsError('INTERNAL', 'first\n  second', { action: 'do\nthis', field: 'disks[0]' }));
  expect(line).toBe('first second (disks[0]) → do this');
});
