/**
 * Exit codes of `lms` and `lms-agent`: a public interface (docs/commands.md). An error's code decides the exit code here and
 * nowhere else. Where a command knows better (a file of this host that is missing is not "the manager knows no such
 * machine"), it throws a `CommandError` that names the exit code.
 */
import { toLmsError } from '@lms/errors';
import type { ErrorCode, LmsErrorOptions } from '@lms/errors';
import { LmsError } from '@lms/errors';

export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  timedOut: 3,
  notFound: 4,
  refused: 5,
  unreachable: 6,
} as const;

export type ExitName = keyof typeof EXIT_CODES;
export type ExitCode = (typeof EXIT_CODES)[ExitName];

const EXIT_OF_ERROR: Readonly<Record<ErrorCode, ExitName>> = {
  INVALID_ARGUMENT: 'usage',
  UNAUTHENTICATED: 'unreachable',
  PERMISSION_DENIED: 'unreachable',
  NOT_FOUND: 'notFound',
  ALREADY_EXISTS: 'failed',
  FAILED_PRECONDITION: 'refused',
  ABORTED: 'failed',
  RESOURCE_EXHAUSTED: 'failed',
  DEADLINE_EXCEEDED: 'timedOut',
  CANCELLED: 'failed',
  UNAVAILABLE: 'unreachable',
  DATA_LOSS: 'failed',
  PROTOCOL_VIOLATION: 'failed',
  STAGING_FULL: 'failed',
  STAGING_ON_SOURCE: 'failed',
  REMOVED: 'notFound',
  FENCED: 'failed',
  UNSUPPORTED: 'failed',
  INTERNAL: 'failed',
};

/** An error whose exit code the command itself decides. */
export class CommandError extends LmsError {
  readonly exit: ExitName;

  constructor(exit: ExitName, code: ErrorCode, message: string, options: LmsErrorOptions = {}) {
    super(code, message, options);
    this.name = 'CommandError';
    this.exit = exit;
  }
}

/** Gives whatever was thrown this exit code; a `CommandError` keeps its own. `context` says what was being done. */
export function withExit(exit: ExitName, thrown: unknown, context?: string, action?: string): CommandError {
  if (thrown instanceof CommandError) return thrown;
  const error = toLmsError(thrown, context);
  const doThis = error.action ?? action;
  return new CommandError(exit, error.code, error.message, {
    ...(doThis === undefined ? {} : { action: doThis }),
    ...(error.field === null ? {} : { field: error.field }),
    cause: thrown,
  });
}

export function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommandError) return EXIT_CODES[thrown.exit];
  return EXIT_CODES[EXIT_OF_ERROR[toLmsError(thrown).code]];
}

/** One line: what is wrong and where, then what to do. */
export function describeError(thrown: unknown): string {
  const error = toLmsError(thrown);
  const field = error.field === null || error.message.includes(error.field) ? '' : ` (${error.field})`;
  const action = error.action === null ? '' : ` → ${error.action}`;
  return `${error.message}${field}${action}`.replaceAll(/\s*\n\s*/g, ' ');
}
