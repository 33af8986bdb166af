import { expect, test } from '@jest/globals';
import { failureOfAnswer, offeredSchemes } from './answer.ts';

const REQUEST = { proxyUrl: 'http://proxy:3128', target: 'manager.example:443', username: null };
const answer = (status: number, ...rawHeaders: string[]) => ({ status, statusText: 'Word', rawHeaders });

test('any 2xx opens the way', () => {
  for (const status of [200, 204, 299]) expect(failureOfAnswer(answer(status), REQUEST)).toBeNull();
});

test.each([
  [403, 'PROXY_FORBIDDEN'],
  [502, 'PROXY_TARGET_UNREACHABLE'],
  [503, 'PROXY_TARGET_UNREACHABLE'],
  [504, 'PROXY_TARGET_UNREACHABLE'],
  [400, 'PROXY_NOT_A_PROXY'],
  [404, 'PROXY_NOT_A_PROXY'],
  [405, 'PROXY_NOT_A_PROXY'],
  [100, 'PROXY_NOT_A_PROXY'],
  [302, 'PROXY_NOT_A_PROXY'],
  [600, 'PROXY_NOT_A_PROXY'],
])('%d is %s, and names proxy and target', (status, reason) => {
  const failure = failureOfAnswer(answer(status), REQUEST);
  expect(failure?.reason).toBe(reason);
  expect(failure?.message).toContain(REQUEST.proxyUrl);
  expect(failure?.message).toContain(REQUEST.target);
  expect(failure?.action).not.toBeNull();
});

test('407 tells apart: no user, a wrong one, and a way that is not supported', () => {
  const basic = answer(407, 'Proxy-Authenticate', 'Basic realm="squid"');
  expect(failureOfAnswer(basic, REQUEST)).toMatchObject({
    reason: 'PROXY_AUTHENTICATION_REQUIRED',
    code: 'UNAUTHENTICATED',
  });
  expect(failureOfAnswer(basic, REQUEST)?.action).toContain('--proxy-user');
  const wrong = failureOfAnswer(basic, { ...REQUEST, username: 'kim' });
  expect(wrong).toMatchObject({ reason: 'PROXY_AUTHENTICATION_REQUIRED' });
  expect(wrong?.message).toContain('"kim"');
  const windows = answer(407, 'proxy-authenticate', 'Negotiate', 'Proxy-Authenticate', 'NTLM');
  const unsupported = failureOfAnswer(windows, { ...REQUEST, username: 'kim' });
  expect(unsupported?.reason).toBe('PROXY_SCHEME_UNSUPPORTED');
  expect(unsupported?.message).toContain('Negotiate, NTLM; only Basic is supported');
  expect(failureOfAnswer(answer(407), REQUEST)?.reason).toBe('PROXY_AUTHENTICATION_REQUIRED');
  const named = { ...REQUEST, username: 'kim' };
  expect(failureOfAnswer(answer(401), named)?.reason).toBe('PROXY_AUTHENTICATION_REQUIRED');
  expect(failureOfAnswer(answer(401), { ...REQUEST, username: null })?.reason).toBe('PROXY_NOT_A_PROXY');
});

test('schemes are found in one header or several, and not in their parameters', () => {
  expect(offeredSchemes(['Digest realm="a, NTLM b", nonce="x\\" Kerberos y", Basic realm="c"'])).toEqual([
    'Digest',
    'Basic',
  ]);
  expect(offeredSchemes(['Negotiate', 'NTLM', 'basic realm=x', 'BASIC realm=y'])).toEqual([
    'Negotiate',
    'NTLM',
    'BASIC',
  ]);
  expect(offeredSchemes(['', ', ,', '<script>', '="'])).toEqual([]);
  expect(offeredSchemes(Array.from({ length: 500 }, (_, index) => `S${index} a=b`))).toHaveLength(10);
});

test('what a proxy says is shown, but never its control characters or pages of it', () => {
  const failure = failureOfAnswer(
    { status: 503, statusText: `evil\u001b[2J${'x'.repeat(5_000)}`, rawHeaders: ['X-Squid-Error', 'ERR_DNS_FAIL 0'] },
    REQUEST,
  );
  expect(failure?.message).not.toContain('\u001b');
  expect(failure?.message.length).toBeLessThan(300);
  const squid = failureOfAnswer(answer(503, 'X-Squid-Error', 'ERR_DNS_FAIL 0'), REQUEST);
  expect(squid?.message).toContain('ERR_DNS_FAIL 0');
});
