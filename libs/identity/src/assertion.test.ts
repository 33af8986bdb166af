import { createPrivateKey } from 'node:crypto';
import { beforeAll, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import {
  CertificateAuthority,
  ReplayCache,
  createCertificateRequest,
  createPrivateKeyPem,
  formatIdentity,
  makeAssertion,
  parseCertificate,
  parseIdentity,
  verifyAssertion,
  type AssertionChecker,
  type AssertionMaker,
} from './index.ts';

const now = new Date('2026-11-23T12:00:00Z');
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);

let ca: CertificateAuthority;
let foreign: CertificateAuthority;
let machine: AssertionMaker;

beforeAll(async () => {
  ca = await CertificateAuthority.open(await CertificateAuthority.create(now));
  foreign = await CertificateAuthority.open(await CertificateAuthority.create(now));
  machine = await machineOf(ca);
});

async function machineOf(authority: CertificateAuthority): Promise<AssertionMaker> {
  const privateKeyPem = await createPrivateKeyPem();
  const certificatePem = await authority.issueMachine(await createCertificateRequest(privateKeyPem), 'm-01', now);
  return { privateKeyPem, certificatePem, caSha256: ca.sha256, now };
}

function checker(change: Partial<AssertionChecker> = {}): AssertionChecker {
  const replays = new ReplayCache(600);
  return { caPem: ca.certificatePem, caSha256: ca.sha256, trustDomain: ca.trustDomain, replays, now, ...change };
}

test('the holder of a certificate and its key is believed, once', async () => {
  const assertion = await makeAssertion(machine);
  const check = checker();
  const { identity } = await verifyAssertion(assertion, check);
  expect(identity).toEqual({ trustDomain: ca.trustDomain, kind: 'machine', id: 'm-01' });
  await expect(verifyAssertion(assertion, check)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(verifyAssertion(await makeAssertion(machine), check)).resolves.toBeDefined();
});

test('clocks may differ by five minutes and no more', async () => {
  const assertion = await makeAssertion(machine);
  await expect(verifyAssertion(assertion, checker({ now: later(350) }))).resolves.toBeDefined();
  await expect(verifyAssertion(assertion, checker({ now: later(-290) }))).resolves.toBeDefined();
  await expect(verifyAssertion(assertion, checker({ now: later(361) }))).rejects.toThrow('too old');
  await expect(verifyAssertion(assertion, checker({ now: later(-310) }))).rejects.toThrow('future');
});

test('a certificate of another manager is refused', async () => {
  const stranger = await machineOf(foreign);
  await expect(verifyAssertion(await makeAssertion(stranger), checker())).rejects.toThrow('not issued by this manager');
});

test('a certificate that is over is refused', async () => {
  const day = later(86_401);
  const assertion = await makeAssertion({ ...machine, now: day });
  await expect(verifyAssertion(assertion, checker({ now: day }))).rejects.toThrow('in force from');
});

test('somebody else’s certificate without its key is refused', async () => {
  const thief = { ...machine, privateKeyPem: await createPrivateKeyPem() };
  await expect(verifyAssertion(await makeAssertion(thief), checker())).rejects.toThrow('signature or claims');
});

test('an assertion for another manager is refused', async () => {
  const assertion = await makeAssertion({ ...machine, caSha256: foreign.sha256 });
  await expect(verifyAssertion(assertion, checker())).rejects.toThrow('another CA');
});

interface Claims {
  readonly subject?: string;
  readonly lifeSeconds?: number;
  readonly jti?: string;
  readonly typ?: string;
}

async function forged({ subject, lifeSeconds = 60, jti = 'a-long-jti', typ = 'lms-assertion+jwt' }: Claims) {
  const issued = Math.floor(now.getTime() / 1_000);
  const x5c = [parseCertificate(machine.certificatePem).raw.toString('base64')];
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', typ, x5c })
    .setSubject(subject ?? formatIdentity({ trustDomain: ca.trustDomain, kind: 'machine', id: 'm-01' }))
    .setAudience(ca.sha256)
    .setJti(jti)
    .setIssuedAt(issued)
    .setExpirationTime(issued + lifeSeconds)
    .sign(createPrivateKey(machine.privateKeyPem));
}

test('claims that go beyond the certificate or the minute are refused', async () => {
  await expect(verifyAssertion(await forged({}), checker())).resolves.toBeDefined();
  const other = formatIdentity({ trustDomain: ca.trustDomain, kind: 'machine', id: 'm-02' });
  await expect(verifyAssertion(await forged({ subject: other }), checker())).rejects.toThrow('subject');
  await expect(verifyAssertion(await forged({ lifeSeconds: 61 }), checker())).rejects.toThrow('longer than 60 s');
  await expect(verifyAssertion(await forged({ jti: 'x' }), checker())).rejects.toThrow('jti');
  await expect(verifyAssertion(await forged({ typ: 'JWT' }), checker())).rejects.toThrow('no JWT with a certificate');
  for (const garbage of ['', 'a.b.c', 'x'.repeat(1_000)]) {
    await expect(verifyAssertion(garbage, checker())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  }
});

test('the memory of used assertions is bounded, for each identity and in all', () => {
  const cache = new ReplayCache(60, { entries: 5, entriesPerSubject: 2 });
  expect(cache.firstUse('a', '1', now)).toBe(true);
  expect(cache.firstUse('a', '1', now)).toBe(false);
  expect(cache.firstUse('a', '2', now)).toBe(true);
  expect(() => cache.firstUse('a', '3', now)).toThrow('too many');
  for (const subject of ['b', 'c', 'd']) expect(cache.firstUse(subject, '1', now)).toBe(true);
  expect(() => cache.firstUse('e', '1', now)).toThrow('too many');
  expect(cache.firstUse('a', '1', later(61))).toBe(true);
  expect(cache.size).toBe(1);
});

test('an identity is read from its URI and nothing else passes for one', () => {
  for (const kind of ['machine', 'replication-server', 'service'] as const) {
    const identity = { trustDomain: 'lms-1', kind, id: 'x-1' };
    expect(parseIdentity(formatIdentity(identity))).toEqual(identity);
  }
  for (const uri of [
    '',
    'spiffe://d/machine/',
    'spiffe://d/machine/a/b',
    'spiffe://d/user/a',
    'https://d/machine/a',
    'spiffe://d/machine/a.b',
  ]) {
    expect(() => parseIdentity(uri)).toThrow();
  }
});
