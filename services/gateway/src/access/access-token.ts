/**
 * Access tokens: what an agent or a replication server gets for its assertion, and shows with every request. Any gateway
 * of this manager can check them, without asking anybody.
 */
import { LmsError } from '@lms/errors';
import { parseIdentity, type AssertedIdentity } from '@lms/identity';
import { SignJWT, jwtVerify } from 'jose';
import { z } from 'zod';
import type { CertifiedCaller } from './caller.ts';

/** Short, since it cannot be called back; long enough that signing is a small part of a heartbeat's cost. */
const LIFE_MILLISECONDS = 10 * 60_000;
const TOKEN_TYPE = 'lms-access+jwt';

const Claims = z.object({ sub: z.string(), dns: z.array(z.string()) });

export interface AccessTokenKey {
  readonly key: Uint8Array;
  readonly trustDomain: string;
}

export async function issueAccessToken(
  { key, trustDomain }: AccessTokenKey,
  asserted: AssertedIdentity,
  now: Date,
): Promise<{ accessToken: string; expiresAt: string }> {
  const expiresAt = new Date(Math.min(now.getTime() + LIFE_MILLISECONDS, asserted.certificateNotAfter.getTime()));
  const accessToken = await new SignJWT({ dns: asserted.dnsNames })
    .setProtectedHeader({ alg: 'HS256', typ: TOKEN_TYPE })
    .setSubject(asserted.uri)
    .setAudience(trustDomain)
    .setExpirationTime(Math.floor(expiresAt.getTime() / 1_000))
    .sign(key);
  return { accessToken, expiresAt: expiresAt.toISOString() };
}

/** Whether it has the form of one, so that an operator's token is not taken for a broken one. */
export function looksLikeAccessToken(token: string): boolean {
  return token.split('.').length === 3;
}

export async function verifyAccessToken({ key, trustDomain }: AccessTokenKey, token: string): Promise<CertifiedCaller> {
  try {
    const options = { algorithms: ['HS256'], typ: TOKEN_TYPE, audience: trustDomain, requiredClaims: ['exp', 'sub'] };
    const { sub, dns } = Claims.parse((await jwtVerify(token, key, options)).payload);
    const { kind, id } = parseIdentity(sub);
    if (kind === 'service') throw new Error('services do not come in by 443');
    return { kind, id, uri: sub, dnsNames: dns };
  } catch (error) {
    throw new LmsError('UNAUTHENTICATED', 'the access token is not accepted, or it expired', {
      action: 'get another one with a new assertion',
      cause: error,
    });
  }
}
