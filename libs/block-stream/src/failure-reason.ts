/**
 * Why a connection of the block stream did not come about, or ended: one word of a closed list, made from whatever was
 * thrown. Both ends report it, and the diagnosis goes by it. What the kernel or TLS says stands deepest in the chain of
 * causes and is the most exact, except below a proxy's: that is about the way to the proxy. An error frame of the other
 * end comes as an `LmsError` with a code of its own.
 */
import type { ErrorCode, LmsError } from '@lms/errors';

export const FAILURE_REASONS = [
  'DNS_NOT_FOUND',
  'DNS_NO_ANSWER',
  'NO_ROUTE',
  'TCP_REFUSED',
  'TCP_TIMEOUT',
  'TCP_RESET',
  'PROXY_UNREACHABLE',
  'PROXY_AUTHENTICATION_REQUIRED',
  'PROXY_FORBIDDEN',
  'PROXY_FAILED',
  'TLS_STALLED', // the connection stands, and the handshake does not get through
  'TLS_CLOSED',
  'TLS_UNTRUSTED',
  'TLS_NAME_MISMATCH',
  'TLS_EXPIRED',
  'TLS_NOT_YET_VALID',
  'NOT_A_BLOCK_STREAM',
  'CERTIFICATE_EXPIRED', // the agent's, as the replication server sees it
  'CERTIFICATE_NOT_ACCEPTED',
  'NOT_ASSIGNED',
  'MACHINE_REMOVED',
  'FENCED',
  'STAGING_FULL',
  'STAGING_ON_SOURCE',
  'UNSUPPORTED',
  'SILENCE', // a session that stood, and nothing was heard any more
  'OTHER',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

const BY_SYSTEM_CODE: Readonly<Record<string, FailureReason>> = {
  ENOTFOUND: 'DNS_NOT_FOUND',
  EAI_AGAIN: 'DNS_NO_ANSWER',
  EHOSTUNREACH: 'NO_ROUTE',
  ENETUNREACH: 'NO_ROUTE',
  ECONNREFUSED: 'TCP_REFUSED',
  ETIMEDOUT: 'TCP_TIMEOUT',
  ECONNRESET: 'TCP_RESET',
  EPIPE: 'TCP_RESET',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'TLS_STALLED',
  CERT_HAS_EXPIRED: 'TLS_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_NOT_YET_VALID',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS_NAME_MISMATCH',
};

const BY_ERROR_CODE: Readonly<Partial<Record<ErrorCode, FailureReason>>> = {
  UNAUTHENTICATED: 'CERTIFICATE_NOT_ACCEPTED',
  PERMISSION_DENIED: 'NOT_ASSIGNED',
  REMOVED: 'MACHINE_REMOVED',
  FENCED: 'FENCED',
  STAGING_FULL: 'STAGING_FULL',
  STAGING_ON_SOURCE: 'STAGING_ON_SOURCE',
  UNSUPPORTED: 'UNSUPPORTED',
};

const UNTRUSTED = /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_SELF_SIGNED|CERT_|INVALID_CA|INVALID_PURPOSE)/;
const NO_TLS = /^(?:EPROTO|ERR_SSL_)/;
/** Causes of causes; an error that is its own cause must not hold us. */
const MAXIMUM_DEPTH = 8;

export function failureReason(error: LmsError): FailureReason {
  let found: FailureReason | null = null;
  let cause: unknown = error;
  for (let depth = 0; depth < MAXIMUM_DEPTH && typeof cause === 'object' && cause !== null; depth++) {
    found = reasonOf(cause) ?? found;
    if (found?.startsWith('PROXY_') === true) return found;
    cause = (cause as Error).cause;
  }
  return found ?? BY_ERROR_CODE[error.code] ?? 'OTHER';
}

export function isFailureReason(word: unknown): word is FailureReason {
  return (FAILURE_REASONS as readonly unknown[]).includes(word);
}

function reasonOf(thrown: object): FailureReason | null {
  const { reason, code } = thrown as { readonly reason?: unknown; readonly code?: unknown };
  if (isFailureReason(reason)) return reason;
  if (typeof reason === 'string' && reason.startsWith('PROXY_')) return 'PROXY_FAILED';
  if (typeof code !== 'string') return null;
  const exact = BY_SYSTEM_CODE[code];
  if (exact !== undefined) return exact;
  if (UNTRUSTED.test(code)) return 'TLS_UNTRUSTED';
  return NO_TLS.test(code) ? 'NOT_A_BLOCK_STREAM' : null;
}

/** What is known here and has no code of the system: a cause that `failureReason` finds. */
export function because(reason: FailureReason): Error & { readonly reason: FailureReason } {
  return Object.assign(new Error(reason), { reason });
}
