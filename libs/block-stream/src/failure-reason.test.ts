import { expect, test } from '@jest/globals';
import { LmsError, toLmsError } from '@lms/errors';
import { because, failureReason } from './failure-reason.ts';
import { brokenConnection } from './tls-connection.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

test.each([
  ['ECONNREFUSED', 'TCP_REFUSED'],
  ['ENOTFOUND', 'DNS_NOT_FOUND'],
  ['EAI_AGAIN', 'DNS_NO_ANSWER'],
  ['EHOSTUNREACH', 'NO_ROUTE'],
  ['CERT_HAS_EXPIRED', 'TLS_EXPIRED'],
  ['CERT_NOT_YET_VALID', 'TLS_NOT_YET_VALID'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_UNTRUSTED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_UNTRUSTED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_NAME_MISMATCH'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'NOT_A_BLOCK_STREAM'],
  ['ESOMETHINGNEW', 'OTHER'],
])('%s of the system is %s, however deep it lies', (code, reason) => {
  const broken = brokenConnection('staging.test:1500', systemError(code));
  expect(failureReason(broken)).toBe(reason);
  expect(failureReason(new LmsError('UNAVAILABLE', 'no address leads there', { cause: broken }))).toBe(reason);
});

test('the other end speaks by codes of errors', () => {
  expect(failureReason(new LmsError('FENCED', 'taken over'))).toBe('FENCED');
  expect(failureReason(new LmsError('PERMISSION_DENIED', 'not assigned'))).toBe('NOT_ASSIGNED');
  expect(failureReason(new LmsError('STAGING_FULL', 'no room'))).toBe('STAGING_FULL');
});

test('what is known exactly goes before the code', () => {
  const error = new LmsError('UNAUTHENTICATED', 'refused', { cause: because('CERTIFICATE_EXPIRED') });
  expect(failureReason(error)).toBe('CERTIFICATE_EXPIRED');
});

test('a proxy says why by a reason of its own, whatever the way to it says', () => {
  const of = (reason: string) => {
    const cause = Object.assign(new Error(reason, { cause: systemError('ECONNREFUSED') }), { reason });
    return failureReason(new LmsError('UNAVAILABLE', 'proxy', { cause }));
  };
  expect(of('PROXY_AUTHENTICATION_REQUIRED')).toBe('PROXY_AUTHENTICATION_REQUIRED');
  expect(of('PROXY_SCHEME_UNSUPPORTED')).toBe('PROXY_FAILED');
});

test('an error that is its own cause ends', () => {
  const error = new Error('round');
  error.cause = error;
  expect(failureReason(toLmsError(error))).toBe('OTHER');
});
