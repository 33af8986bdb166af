/** Makes an `LmsError` of what went wrong on the way to the manager, or of the problem document that it sent. */
import { LmsError, isErrorCode, toLmsError, type ErrorCode } from '@lms/errors';
import { Problem } from '../schemas/index.ts';

/** For answers that are no problem documents: a proxy's page, an ingress without a backend. */
function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 407) return 'UNAUTHENTICATED';
  if (status === 403) return 'PERMISSION_DENIED';
  if (status === 404) return 'NOT_FOUND';
  if (status === 408 || status === 504) return 'DEADLINE_EXCEEDED';
  if (status === 409) return 'FAILED_PRECONDITION';
  if (status === 413 || status === 429) return 'RESOURCE_EXHAUSTED';
  if (status === 502 || status === 503) return 'UNAVAILABLE';
  return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT';
}

export function failureOfAnswer(status: number, body: string, where: string): LmsError {
  const problem = Problem.safeParse(jsonOrNull(body));
  if (!problem.success) {
    return new LmsError(codeOfStatus(status), `${where} answered ${status} without saying why`, {
      action: 'check that the address is the manager and not something before it',
    });
  }
  const { code, detail, action, field } = problem.data;
  return new LmsError(isErrorCode(code) ? code : codeOfStatus(status), detail, {
    ...(action === undefined ? {} : { action }),
    ...(field === undefined ? {} : { field }),
  });
}

function jsonOrNull(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

const TIMED_OUT: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

export function failureOfConnection(thrown: unknown, managerUrl: string, signal: AbortSignal): LmsError {
  if (thrown instanceof LmsError) return thrown;
  if (signal.aborted) return failureOfAbort(signal, managerUrl);
  const code = systemCode(thrown);
  const reason = messageOf(thrown);
  if (UNTRUSTED.has(code)) {
    return new LmsError('UNAUTHENTICATED', `the certificate of ${managerUrl} is not trusted: ${reason}`, {
      cause: thrown,
      action: "check the clock, the manager's name, and that nothing re-signs TLS on the way",
    });
  }
  if (TIMED_OUT.has(code)) {
    return new LmsError('DEADLINE_EXCEEDED', `${managerUrl} did not answer in time`, { cause: thrown });
  }
  return new LmsError('UNAVAILABLE', `cannot reach the manager at ${managerUrl}: ${reason || code}`, {
    cause: thrown,
    action: 'check that it runs and that the address and port are right',
  });
}

function failureOfAbort(signal: AbortSignal, managerUrl: string): LmsError {
  const reason: unknown = signal.reason;
  if ((reason as Partial<Error> | undefined)?.name === 'TimeoutError') {
    return new LmsError('DEADLINE_EXCEEDED', `${managerUrl} did not answer in time`, { cause: reason });
  }
  if (reason instanceof LmsError) return reason;
  return new LmsError('CANCELLED', 'the request was cancelled', { cause: toLmsError(reason) });
}

function messageOf(thrown: unknown): string {
  const { message } = (thrown ?? {}) as Partial<Error>;
  return message ?? String(thrown);
}

/** undici wraps the cause; with several addresses there are several. */
function systemCode(thrown: unknown): string {
  let error = thrown as { code?: unknown; cause?: unknown; errors?: unknown } | null | undefined;
  for (let depth = 0; typeof error === 'object' && error !== null && depth < 5; depth++) {
    if (typeof error.code === 'string') return error.code;
    error = (Array.isArray(error.errors) ? error.errors[0] : error.cause) as typeof error;
  }
  return '';
}
