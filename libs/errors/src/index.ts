/**
 * The one error model. Every error that crosses a boundary (a wire, a process, a person's screen) is an
 * `LmsError`: a closed code, one sentence that says what is wrong and where, and one that says what to do.
 * Programmer errors stay ordinary exceptions and crash.
 */
export const ERROR_CODES = [
  'INVALID_ARGUMENT', // the request itself is wrong, whatever the state
  'UNAUTHENTICATED', // no credential, or one that is not accepted
  'PERMISSION_DENIED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION', // the state does not allow it
  'ABORTED', // lost a race (compare-and-set, fencing)
  'RESOURCE_EXHAUSTED', // a limit was reached
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNAVAILABLE', // the other side is not there now
  'DATA_LOSS', // stored data does not match its digest
  'PROTOCOL_VIOLATION', // the peer sent what the protocol forbids
  'STAGING_FULL',
  'STAGING_ON_SOURCE', // staging lies on the disk to be replicated
  'REMOVED', // an operator has taken the machine away for good
  'FENCED', // a newer session of the same identity took over
  'UNSUPPORTED', // this disk, kernel or feature cannot be used
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'STAGING_FULL',
  'INTERNAL',
]);

export interface LmsErrorOptions {
  /** What the reader can do about it, as one sentence. */
  readonly action?: string;
  /** The field or thing that is wrong: `disks[1].device`. */
  readonly field?: string;
  readonly cause?: unknown;
}

export class LmsError extends Error {
  readonly code: ErrorCode;
  readonly action: string | null;
  readonly field: string | null;

  constructor(code: ErrorCode, message: string, options: LmsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LmsError';
    this.code = code;
    this.action = options.action ?? null;
    this.field = options.field ?? null;
  }

  /** Whether the same request may succeed later without anybody changing it. Decided here and nowhere else. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && (ERROR_CODES as readonly string[]).includes(value);
}

const SYSTEM_ERROR_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  ENOSPC: 'STAGING_FULL',
  EDQUOT: 'STAGING_FULL',
  ECONNREFUSED: 'UNAVAILABLE',
  ECONNRESET: 'UNAVAILABLE',
  EPIPE: 'UNAVAILABLE',
  ETIMEDOUT: 'DEADLINE_EXCEEDED',
  EHOSTUNREACH: 'UNAVAILABLE',
  ENETUNREACH: 'UNAVAILABLE',
  ENOTFOUND: 'UNAVAILABLE',
  ABORT_ERR: 'CANCELLED',
};

/** Makes an `LmsError` of whatever was thrown. An `LmsError` comes back as it is. */
export function toLmsError(thrown: unknown, context?: string): LmsError {
  if (thrown instanceof LmsError) return thrown;
  const prefix = context === undefined ? '' : `${context}: `;
  if (isErrorLike(thrown)) {
    const systemCode = (thrown as NodeJS.ErrnoException).code;
    const code = (typeof systemCode === 'string' ? SYSTEM_ERROR_CODES[systemCode] : undefined) ?? abortCode(thrown);
    return new LmsError(code, `${prefix}${thrown.message}`, { cause: thrown });
  }
  return new LmsError('INTERNAL', `${prefix}${String(thrown)}`, { cause: thrown });
}

/** Also of another realm (a worker's, a sandbox's), where `instanceof` knows nothing, and the DOMException of an abort. */
function isErrorLike(thrown: unknown): thrown is Error {
  if (thrown instanceof Error) return true;
  return typeof thrown === 'object' && thrown !== null && 'name' in thrown && 'message' in thrown;
}

function abortCode(error: Error): ErrorCode {
  if (error.name === 'AbortError') return 'CANCELLED';
  if (error.name === 'TimeoutError') return 'DEADLINE_EXCEEDED';
  return 'INTERNAL';
}
