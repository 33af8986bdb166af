import { beforeAll, expect, test } from '@jest/globals';
import { makeAssertion } from './assertion.ts';
import { CertificateAuthority } from './authority.ts';
import { explainRefusal } from './explain-refusal.ts';
import { createCertificateRequest, createPrivateKeyPem } from './keys.ts';

const MACHINE = 'm-0123456789abcdef0123';
const HOUR_MILLISECONDS = 3_600_000;

let authority: CertificateAuthority;
let other: CertificateAuthority;
let privateKeyPem: string;

beforeAll(async () => {
  authority = await CertificateAuthority.open(await CertificateAuthority.create());
  other = await CertificateAuthority.open(await CertificateAuthority.create());
  privateKeyPem = await createPrivateKeyPem();
});

async function assertionOf(by: CertificateAuthority, issuedAt: Date, now: Date): Promise<string> {
  const certificatePem = await by.issueMachine(await createCertificateRequest(privateKeyPem), MACHINE, issuedAt);
  return makeAssertion({ privateKeyPem, certificatePem, caSha256: authority.sha256, now });
}

function explain(assertion: string, now = new Date()) {
  const { certificatePem: caPem, sha256: caSha256, trustDomain } = authority;
  return explainRefusal(assertion, { caPem, caSha256, trustDomain, now });
}

test.each([-24, 24])('a clock that is %d hours off is told with its sign, and whose it is', async (hours) => {
  const now = new Date();
  const theirs = new Date(now.getTime() + hours * HOUR_MILLISECONDS);
  const explained = await explain(await assertionOf(authority, now, theirs), now);
  expect(explained).toMatchObject({ identity: { kind: 'machine', id: MACHINE }, reason: 'CLOCK' });
  expect(Math.round((explained?.clockAheadMilliseconds ?? 0) / HOUR_MILLISECONDS)).toBe(hours);
});

test('a certificate that ran out is told as that while the clock is right', async () => {
  const twoDaysAgo = new Date(Date.now() - 48 * HOUR_MILLISECONDS);
  expect(await explain(await assertionOf(authority, twoDaysAgo, new Date()))).toMatchObject({
    identity: { id: MACHINE },
    reason: 'CERTIFICATE_EXPIRED',
  });
});

test('what is not signed by this manager, or not by the certificate, proves nothing', async () => {
  expect(await explain(await assertionOf(other, new Date(), new Date()))).toBeNull();
  const assertion = await assertionOf(authority, new Date(), new Date());
  const [head, body] = assertion.split('.');
  expect(await explain(`${head}.${body}.${'A'.repeat(86)}`)).toBeNull();
  expect(await explain('no.jwt.atall')).toBeNull();
});
