/** `LmsError` → RFC 9457 problem document: what went wrong, in which field, what to do. Here and nowhere else. */
import type { Problem } from '@lms/api';
import { LmsError, toLmsError, type ErrorCode } from '@lms/errors';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';

const STATUS_OF_CODE: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  DEADLINE_EXCEEDED: 504,
  // nginx's "client closed request": nobody reads it.
  CANCELLED: 499,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  PROTOCOL_VIOLATION: 400,
  STAGING_FULL: 507,
  STAGING_ON_SOURCE: 409,
  REMOVED: 410,
  FENCED: 409,
  UNSUPPORTED: 501,
  INTERNAL: 500,
};

const TITLE_OF_CODE: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: 'The request is wrong',
  UNAUTHENTICATED: 'The credential is not accepted',
  PERMISSION_DENIED: 'This caller may not do this',
  NOT_FOUND: 'There is no such thing',
  ALREADY_EXISTS: 'It exists already',
  FAILED_PRECONDITION: 'The state does not allow it',
  ABORTED: 'Somebody else was faster',
  RESOURCE_EXHAUSTED: 'A limit was reached',
  DEADLINE_EXCEEDED: 'It took too long',
  CANCELLED: 'The request was cancelled',
  UNAVAILABLE: 'A part of the manager is not there now',
  DATA_LOSS: 'Stored data does not match its digest',
  PROTOCOL_VIOLATION: 'The protocol forbids this',
  STAGING_FULL: 'The staging area is full',
  STAGING_ON_SOURCE: 'Staging lies on the disk to be replicated',
  REMOVED: 'It was removed',
  FENCED: 'A newer session took over',
  UNSUPPORTED: 'This is not supported',
  INTERNAL: 'The manager failed',
};

/** Field of an `ABORTED` that came of the request's own condition: HTTP has a status for it. */
export const IF_MATCH_FIELD = 'If-Match';
/** Field of an `INVALID_ARGUMENT` that says that no byte of the range exists: HTTP has a status for it. */
export const RANGE_FIELD = 'Range';
/** Field of a `RESOURCE_EXHAUSTED` that came of the body's length. */
export const BODY_FIELD = 'body';

export function problemOf(error: LmsError): Problem {
  const { code, action, field } = error;
  // What broke inside is for the log: it may name things that a caller must not see.
  const detail = code === 'INTERNAL' ? 'the manager failed at this request' : error.message;
  const advice = code === 'INTERNAL' ? "look into the gateway's log, then report it" : action;
  return {
    type: `urn:lms:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: TITLE_OF_CODE[code],
    status: statusOf(error),
    detail,
    code,
    ...(field === null ? {} : { field }),
    ...(advice === null ? {} : { action: advice }),
  };
}

function statusOf({ code, field }: LmsError): number {
  if (code === 'INVALID_ARGUMENT' && field === RANGE_FIELD) return 416;
  if (code === 'ABORTED' && field === IF_MATCH_FIELD) return 412;
  if (code === 'RESOURCE_EXHAUSTED' && field === BODY_FIELD) return 413;
  return STATUS_OF_CODE[code];
}

/** From whatever a route, a hook, the validation or fastify itself threw. */
export function errorOf(thrown: unknown): LmsError {
  if (thrown instanceof LmsError) return thrown;
  if (hasZodFastifySchemaValidationErrors(thrown)) return validationError(thrown);
  const { statusCode, message } = (thrown ?? {}) as { statusCode?: unknown; message?: unknown };
  if (statusCode === 413) {
    return new LmsError('RESOURCE_EXHAUSTED', 'the body is too long', {
      field: BODY_FIELD,
      action: 'send less at a time',
    });
  }
  // fastify's own, or of the stream that the body came by: broken JSON, a broken compression, a length that is not true.
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new LmsError('INVALID_ARGUMENT', String(message), { field: BODY_FIELD });
  }
  return toLmsError(thrown);
}

const PLACES: Readonly<Record<string, string>> = { body: '', querystring: '', params: '', headers: 'header ' };

function validationError(error: {
  readonly validation: readonly { readonly instancePath: string; readonly message?: string }[];
  readonly validationContext?: string;
}): LmsError {
  const [issue] = error.validation;
  const place = PLACES[error.validationContext ?? 'body'] ?? '';
  const path = fieldOf(issue?.instancePath ?? '');
  const field = path === '' ? (error.validationContext ?? BODY_FIELD) : place + path;
  return new LmsError('INVALID_ARGUMENT', `${field}: ${issue?.message ?? 'not valid'}`, { field });
}

/** `/batch/0/at` → `batch[0].at`. */
export function fieldOf(instancePath: string): string {
  const parts = instancePath.split('/').slice(1);
  return parts
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
}
