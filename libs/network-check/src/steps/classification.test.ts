/** What errors of the system and of TLS, answers and transfers are called in a report. */
import { expect, test } from '@jest/globals';
import { connectFailure } from './connect.ts';
import { handshakeFailure } from './handshake-failure.ts';
import { readAuthority, readRefusal } from './manager-answer.ts';
import { lookupFailure } from './resolve.ts';
import { throughputOutcome } from './throughput.ts';

const failure = (code: string, message = code, errno?: number) =>
  Object.assign(new Error(message), { code, ...(errno === undefined ? {} : { errno }) });

test.each([
  ['ENOTFOUND', 'DNS_NOT_FOUND'],
  ['ENODATA', 'DNS_NOT_FOUND'],
  ['EAI_AGAIN', 'DNS_NO_ANSWER'],
  ['ESERVFAIL', 'DNS_NO_ANSWER'],
])('looking a name up: %s is %s', (code, reason) => {
  expect(lookupFailure('manager.test', failure(code)).reason).toBe(reason);
});

test.each([
  ['ECONNREFUSED', 'TCP_REFUSED'],
  ['ETIMEDOUT', 'TCP_TIMEOUT'],
  ['ECONNRESET', 'TCP_RESET'],
  ['EHOSTUNREACH', 'TCP_UNREACHABLE'],
  ['EPERM', 'TCP_UNREACHABLE'],
  ['ENETUNREACH', 'NO_ROUTE'],
  ['EADDRNOTAVAIL', 'NO_ROUTE'],
  ['ESOMETHING', 'TCP_UNREACHABLE'],
])('connecting: %s is %s, and names the address', (code, reason) => {
  expect(connectFailure('fd00::2', 443, failure(code))).toMatchObject({
    reason,
    message: expect.stringContaining('[fd00::2]:443') as unknown,
  });
});

test.each([
  [failure('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'), 'TLS_VERSION'],
  [failure('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'), 'TLS_VERSION'],
  [failure('ERR_SSL_UNSUPPORTED_PROTOCOL'), 'TLS_VERSION'],
  [failure('ERR_SSL_WRONG_VERSION_NUMBER'), 'TLS_NOT_SPOKEN'],
  [failure('ERR_SSL_PACKET_LENGTH_TOO_LONG'), 'TLS_NOT_SPOKEN'],
  [failure('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'), 'NOT_A_BLOCK_STREAM'],
  [failure('ERR_SSL_TLSV1_UNRECOGNIZED_NAME'), 'TLS_NAME_MISMATCH'],
  [failure('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), 'CERTIFICATE_NOT_ACCEPTED'],
  [failure('ECONNRESET', 'disconnected before secure TLS connection was established'), 'TLS_CLOSED'],
  [failure('ECONNRESET', 'read ECONNRESET', -104), 'TCP_RESET'],
])('the handshake: %s is %s', (thrown, reason) => {
  expect(handshakeFailure('manager.test:443', thrown).reason).toBe(reason);
});

const problem = (code: string) =>
  JSON.stringify({ type: 'about:blank', title: 'Refused', status: 401, code, detail: 'because' });

test.each([
  [{ status: 200, text: '<html><title>Sign in</title>' }, 'HTTP_NOT_A_MANAGER'],
  [{ status: 200, text: '{"certificatePem":"x","sha256":"y"}' }, 'HTTP_NOT_A_MANAGER'],
  [{ status: 404, text: 'not here' }, 'HTTP_NOT_A_MANAGER'],
  [{ status: 502, text: 'bad gateway' }, 'HTTP_STATUS'],
  [{ status: 429, text: problem('RESOURCE_EXHAUSTED') }, 'HTTP_STATUS'],
])('an answer that is not the CA of a manager: %j is %s', (answer, reason) => {
  expect(() => readAuthority(answer, 'https://manager.test')).toThrow(expect.objectContaining({ reason }));
});

test.each([
  ['UNAUTHENTICATED', 'CERTIFICATE_NOT_ACCEPTED'],
  ['REMOVED', 'MACHINE_REMOVED'],
  ['UNAVAILABLE', 'HTTP_STATUS'],
])('a manager that refuses the own certificate: %s is %s', (code, reason) => {
  expect(readRefusal({ status: 401, text: problem(code) }, 'https://manager.test')).toMatchObject({
    reason,
    message: 'because',
  });
});

test('a slow line is worth a warning, unless too little was sent to tell', () => {
  const slow = { direction: 'up', bytes: 100_000, milliseconds: 10_000 } as const;
  expect(throughputOutcome([slow], 20, 1_000_000)).toEqual({
    detail: '0.08 Mbit/s up, round trip 20 ms',
    warning: 'THROUGHPUT_LOW',
  });
  expect(throughputOutcome([{ ...slow, bytes: 1_000 }], 20, 1_000_000).warning).toBeUndefined();
  expect(throughputOutcome([{ ...slow, milliseconds: 10 }], 0.4, 1_000_000).detail).toBe(
    '80 Mbit/s up, round trip 0.4 ms',
  );
});
