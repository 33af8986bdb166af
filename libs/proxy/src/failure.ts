/** What can go wrong with a proxy, as a closed list: a person needs to know which of them it is before anything else. */
import { LmsError } from '@lms/errors';
import type { ErrorCode, LmsErrorOptions } from '@lms/errors';

export const PROXY_FAILURE_REASONS = [
  'PROXY_UNREACHABLE', // its name is not known, or nobody takes the connection
  'PROXY_TIMEOUT', // it takes the connection and says nothing, or what it asks on our behalf does not answer it
  'PROXY_NOT_A_PROXY', // something answers, but not as a proxy
  'PROXY_TLS_UNTRUSTED', // an https:// proxy whose certificate is not believed
  'PROXY_AUTHENTICATION_REQUIRED', // it wants a user and password, or others than it got
  'PROXY_SCHEME_UNSUPPORTED', // it wants them in another way than Basic
  'PROXY_FORBIDDEN', // it does not allow this host or port
  'PROXY_TARGET_UNREACHABLE', // it does not get to the other end itself
  'PROXY_TUNNEL_BROKEN', // it said that the way is open, and it is not
  'PROXY_TLS_INSPECTED', // it re-signs what goes through, with a CA that is not believed
] as const;
export type ProxyFailureReason = (typeof PROXY_FAILURE_REASONS)[number];

/**
 * Not PERMISSION_DENIED and not NOT_FOUND for any of them: those are the manager's own words, and what is told to the
 * manager would be given up for good when it "refuses".
 */
const CODE_OF_REASON: Readonly<Record<ProxyFailureReason, ErrorCode>> = {
  PROXY_UNREACHABLE: 'UNAVAILABLE',
  PROXY_TIMEOUT: 'DEADLINE_EXCEEDED',
  PROXY_NOT_A_PROXY: 'UNAVAILABLE',
  PROXY_TLS_UNTRUSTED: 'UNAUTHENTICATED',
  // Not repeated at once: some proxies lock a user out after a few wrong passwords.
  PROXY_AUTHENTICATION_REQUIRED: 'UNAUTHENTICATED',
  PROXY_SCHEME_UNSUPPORTED: 'UNAUTHENTICATED',
  PROXY_FORBIDDEN: 'UNAVAILABLE',
  PROXY_TARGET_UNREACHABLE: 'UNAVAILABLE',
  PROXY_TUNNEL_BROKEN: 'UNAVAILABLE',
  PROXY_TLS_INSPECTED: 'UNAUTHENTICATED',
};

export class ProxyError extends LmsError {
  readonly reason: ProxyFailureReason;

  constructor(reason: ProxyFailureReason, message: string, options: LmsErrorOptions = {}) {
    super(CODE_OF_REASON[reason], message, options);
    this.name = 'ProxyError';
    this.reason = reason;
  }
}
