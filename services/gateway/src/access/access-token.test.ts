import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { AssertedIdentity } from '@lms/identity';
import { SignJWT } from 'jose';
import { issueAccessToken, looksLikeAccessToken, verifyAccessToken } from './access-token.ts';

const key = { key: new Uint8Array(randomBytes(32)), trustDomain: 'lms-0123456789abcdef' };
const uri = `spiffe://${key.trustDomain}/machine/m-01`;
const asserted: AssertedIdentity = {
  identity: { trustDomain: key.trustDomain, kind: 'machine', id: 'm-01' },
  uri,
  dnsNames: [],
  certificateNotAfter: new Date(Date.now() + 86_400_000),
};

test('what was issued is believed, with the identity that it was issued for', async () => {
  const { accessToken } = await issueAccessToken(key, asserted, new Date());
  expect(looksLikeAccessToken(accessToken)).toBe(true);
  expect(await verifyAccessToken(key, accessToken)).toEqual({ kind: 'machine', id: 'm-01', uri, dnsNames: [] });
});

test('a token never outlives the certificate that it was given for', async () => {
  const certificateNotAfter = new Date(Date.now() + 5_000);
  const { expiresAt } = await issueAccessToken(key, { ...asserted, certificateNotAfter }, new Date());
  expect(expiresAt).toBe(certificateNotAfter.toISOString());
});

test('a token that expired, of another key or another installation, or of another kind is refused', async () => {
  const { accessToken } = await issueAccessToken(key, asserted, new Date());
  const old = await issueAccessToken(key, asserted, new Date(Date.now() - 601_000));
  const refused = { code: 'UNAUTHENTICATED' };
  await expect(verifyAccessToken(key, old.accessToken)).rejects.toMatchObject(refused);
  await expect(verifyAccessToken({ ...key, key: randomBytes(32) }, accessToken)).rejects.toMatchObject(refused);
  await expect(verifyAccessToken({ ...key, trustDomain: 'other' }, accessToken)).rejects.toMatchObject(refused);
  const forged = (typ: string, subject: string) =>
    new SignJWT({ dns: [] })
      .setProtectedHeader({ alg: 'HS256', typ })
      .setSubject(subject)
      .setAudience(key.trustDomain)
      .setExpirationTime('1m')
      .sign(key.key);
  await expect(verifyAccessToken(key, await forged('JWT', uri))).rejects.toMatchObject(refused);
  const service = `spiffe://${key.trustDomain}/service/registry`;
  await expect(verifyAccessToken(key, await forged('lms-access+jwt', service))).rejects.toMatchObject(refused);
  await expect(verifyAccessToken(key, 'a.b.c')).rejects.toMatchObject(refused);
});
