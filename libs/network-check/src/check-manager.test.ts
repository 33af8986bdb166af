import { afterEach, beforeAll, expect, test } from '@jest/globals';
import type { CertificateAuthority } from '@lms/identity';
import { makeAssertion } from '@lms/identity';
import { OddServers, createAuthority, issue, issueMachine, managerAnswers } from '../test/odd-servers.ts';
import { checkManager } from './check-manager.ts';
import type { ManagerCheck } from './check-manager.ts';

const servers = new OddServers();
/** Long enough for what answers, on a busy machine too; what never answers costs so much. */
const limits = { handshakeMilliseconds: 1_500, answerMilliseconds: 1_500, connectMilliseconds: 1_500 };
let authority: CertificateAuthority;
let other: CertificateAuthority;

beforeAll(async () => {
  authority = await createAuthority();
  other = await createAuthority();
});
afterEach(() => servers.close());

async function check(port: number, change: Partial<ManagerCheck> = {}) {
  const { signal } = new AbortController();
  const { sha256: caSha256, certificatePem: caPem } = authority;
  const known = { from: 'agent', caSha256, caPem, proxy: null, identity: null, limits, signal } as const;
  return checkManager({ ...known, managerUrl: `https://127.0.0.1:${port}`, ...change });
}

const byManager = () => issue(authority, ['127.0.0.1']);

test('a manager passes every step, and what is not there to be shown is skipped', async () => {
  const report = await check(await servers.https(await byManager(), managerAnswers(authority)));
  expect(report).toMatchObject({ result: 'passed', failure: null });
  const states = Object.fromEntries(report.steps.map(({ name, state }) => [name, state]));
  const passed = { DNS: 'passed', ROUTE: 'passed', TCP: 'passed', TLS: 'passed', HTTP: 'passed', CLOCK: 'passed' };
  expect(states).toEqual({ ...passed, CERTIFICATE: 'skipped', MTU: 'passed', THROUGHPUT: 'passed' });
});

test('a manager of whom only the hash of the CA is known is found by it', async () => {
  const port = await servers.https(await byManager(), managerAnswers(authority));
  expect(await check(port, { caPem: null })).toMatchObject({ result: 'passed' });
});

interface Fault {
  readonly reason: string;
  readonly step: string;
  readonly message: RegExp;
  readonly serve: () => Promise<number>;
}

const FAULTS: readonly Fault[] = [
  {
    reason: 'TLS_UNTRUSTED',
    step: 'TLS',
    message: /certificate by "Live Migration Service lms-/,
    serve: async () => servers.https(await issue(other, ['127.0.0.1']), managerAnswers(other)),
  },
  {
    reason: 'TLS_INSPECTED',
    step: 'TLS',
    message: /the manager is behind .* in place of its own/,
    serve: async () => servers.https(await issue(other, ['127.0.0.1']), managerAnswers(authority)),
  },
  {
    reason: 'TLS_NAME_MISMATCH',
    step: 'TLS',
    message: /is for DNS:elsewhere\.test, not for 127\.0\.0\.1/,
    serve: async () => servers.https(await issue(authority, ['elsewhere.test']), managerAnswers(authority)),
  },
  {
    reason: 'TLS_EXPIRED',
    step: 'TLS',
    message: /is in force from/,
    serve: async () => servers.https(await issue(authority, ['127.0.0.1'], -100), managerAnswers(authority)),
  },
  {
    reason: 'TLS_NOT_YET_VALID',
    step: 'TLS',
    message: /is in force from/,
    serve: async () => servers.https(await issue(authority, ['127.0.0.1'], 2), managerAnswers(authority)),
  },
  {
    reason: 'CLOCK_SKEW',
    step: 'TLS',
    message: /the clock of this host is 48 h behind/,
    serve: async () => servers.https(await issue(authority, ['127.0.0.1'], 2), managerAnswers(authority, 2)),
  },
  {
    reason: 'CLOCK_SKEW',
    step: 'CLOCK',
    message: /the clock of this host is 24 h ahead/,
    serve: async () => servers.https(await byManager(), managerAnswers(authority, -1)),
  },
  {
    reason: 'TLS_VERSION',
    step: 'TLS',
    message: /no version or cipher of TLS in common/,
    serve: async () => {
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
      return servers.https({ ...(await byManager()), ...old }, managerAnswers(authority));
    },
  },
  {
    reason: 'TLS_NOT_SPOKEN',
    step: 'TLS',
    message: /something other than TLS/,
    serve: () => servers.http((_request, response) => response.end('hello')),
  },
  {
    reason: 'TLS_CLOSED',
    step: 'TLS',
    message: /closed during the TLS handshake/,
    serve: () => servers.tcp((socket) => socket.once('data', () => socket.end())),
  },
  {
    reason: 'TCP_RESET',
    step: 'TLS',
    message: /reset as TLS began/,
    serve: () => servers.tcp((socket) => socket.once('data', () => socket.resetAndDestroy())),
  },
  {
    reason: 'TLS_TIMEOUT',
    step: 'TLS',
    message: /did not finish the TLS handshake/,
    serve: () => servers.tcp(() => undefined),
  },
  {
    reason: 'HTTP_NOT_A_MANAGER',
    step: 'HTTP',
    message: /404, with a page called "Welcome"/,
    serve: async () =>
      servers.https(await byManager(), (_request, response) => {
        response.statusCode = 404;
        response.end('<html><title>Welcome</title></html>');
      }),
  },
  {
    reason: 'HTTP_OTHER_MANAGER',
    step: 'HTTP',
    message: /is a manager whose CA has SHA-256/,
    serve: async () => servers.https(await byManager(), managerAnswers(other)),
  },
  {
    reason: 'HTTP_STATUS',
    step: 'HTTP',
    message: /answered 503, and it is not the manager that says so/,
    serve: async () =>
      servers.https(await byManager(), (_request, response) => {
        response.statusCode = 503;
        response.end('no backend');
      }),
  },
  {
    reason: 'HTTP_NO_ANSWER',
    step: 'HTTP',
    message: /was not answered within/,
    serve: async () => servers.https(await byManager(), () => undefined),
  },
];

test.each(FAULTS)('$reason at $step', async ({ reason, step, message, serve }) => {
  const report = await check(await serve());
  expect(report.failure).toMatchObject({ reason, step, message: expect.stringMatching(message) as unknown });
  expect(report.steps.at(-1)).toMatchObject({ name: step, state: 'failed', reason });
});

test('nobody listens', async () => {
  const port = await servers.tcp(() => undefined);
  await servers.close();
  const { failure } = await check(port);
  expect([failure?.step, failure?.reason, failure?.message]).toEqual([
    'TCP',
    'TCP_REFUSED',
    `127.0.0.1:${port} refuses the connection`,
  ]);
});

test.each([
  ['CERTIFICATE_NOT_ACCEPTED', 0],
  ['CERTIFICATE_EXPIRED', -3],
  ['CERTIFICATE_EXPIRED', 3],
])('the own certificate: %s', async (reason, days) => {
  const { key, cert } = await issueMachine(authority, days);
  const { sha256: caSha256 } = authority;
  const signAssertion = () => makeAssertion({ privateKeyPem: key, certificatePem: cert, caSha256 });
  const port = await servers.https(await byManager(), managerAnswers(authority));
  const report = await check(port, { identity: { certificatePem: cert, tokenPath: '/v1/agent/token', signAssertion } });
  expect(report.failure).toMatchObject({ step: 'CERTIFICATE', reason });
});

test('a check that is cancelled ends at once, without a report', async () => {
  const controller = new AbortController();
  const port = await servers.tcp(() => controller.abort(new DOMException('enough', 'AbortError')));
  await expect(check(port, { signal: controller.signal })).rejects.toThrow('enough');
});
