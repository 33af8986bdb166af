/**
 * How an agent or a replication server proves who it is on 443, where no client certificate passes (ingresses end TLS):
 * a JWT signed with its own key, its certificate inside (`x5c`), for one manager (`aud` = SHA-256 of the CA), good for a
 * minute and for one use (`jti`).
 *
 * Special case: clocks differ. An assertion is accepted five minutes to either side (as Kerberos does), so each `jti` must
 * be remembered for so long. Downside: the memory is one gateway's; of several gateways each would take a stolen assertion
 * once, within those minutes, from somebody who has broken TLS already.
 */
import { X509Certificate, createPrivateKey, randomUUID } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { SignJWT, decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose';
import { JWTExpired, JWTClaimValidationFailed } from 'jose/errors';
import { alternativeNames, parseCertificate } from './certificate.ts';
import type { ReplayCache } from './replay-cache.ts';
import { parseIdentity, type Identity } from './spiffe.ts';

export const ASSERTION_LIFE_SECONDS = 60;
export const CLOCK_TOLERANCE_SECONDS = 300;
/** `typ`: an assertion is never taken for another kind of token. */
const ASSERTION_TYPE = 'lms-assertion+jwt';
/** The leaf alone is enough: everything is directly under the CA. */
const MAXIMUM_CHAIN = 4;

export interface AssertionMaker {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  /** Hex SHA-256 of the manager's CA. */
  readonly caSha256: string;
  readonly now?: Date;
}

export async function makeAssertion(maker: AssertionMaker): Promise<string> {
  const certificate = parseCertificate(maker.certificatePem);
  const issuedAt = Math.floor((maker.now ?? new Date()).getTime() / 1_000);
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', typ: ASSERTION_TYPE, x5c: [certificate.raw.toString('base64')] })
    .setSubject(identityUri(certificate))
    .setAudience(maker.caSha256)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ASSERTION_LIFE_SECONDS)
    .sign(createPrivateKey(maker.privateKeyPem));
}

export interface AssertionChecker {
  readonly caPem: string;
  readonly caSha256: string;
  readonly trustDomain: string;
  readonly replays: ReplayCache;
  readonly now?: Date;
}

export interface AssertedIdentity {
  readonly identity: Identity;
  readonly uri: string;
  readonly dnsNames: readonly string[];
  /** After which the certificate proves nothing any more. */
  readonly certificateNotAfter: Date;
}

/** UNAUTHENTICATED, with the reason, unless everything holds. */
export async function verifyAssertion(assertion: string, checker: AssertionChecker): Promise<AssertedIdentity> {
  const now = checker.now ?? new Date();
  const certificate = leafOf(assertion);
  checkCertificate(certificate, checker.caPem, now);
  const uri = identityUri(certificate);
  const identity = parseIdentity(uri);
  if (identity.trustDomain !== checker.trustDomain) throw refusal('the certificate is of another installation');
  const claims = await verifySignature(assertion, certificate, checker.caSha256, now);
  if (claims.sub !== uri) throw refusal('its subject is not the one of the certificate');
  const { iat, exp, jti } = claims;
  if (iat === undefined || exp === undefined || exp - iat > ASSERTION_LIFE_SECONDS || exp <= iat) {
    throw refusal(`it is good for longer than ${ASSERTION_LIFE_SECONDS} s`);
  }
  if (iat > now.getTime() / 1_000 + CLOCK_TOLERANCE_SECONDS) throw clockRefusal(iat * 1_000 - now.getTime());
  if (jti === undefined || jti.length < 8 || jti.length > 64) throw refusal('its jti is not 8 to 64 characters');
  if (!checker.replays.firstUse(uri, jti, now)) throw refusal('it was used before');
  const { dnsNames } = alternativeNames(certificate);
  return { identity, uri, dnsNames, certificateNotAfter: certificate.validToDate };
}

/** UNAUTHENTICATED when it is none of ours in form; of its content nothing is checked. */
export function leafOf(assertion: string): X509Certificate {
  try {
    const { x5c, alg, typ } = decodeProtectedHeader(assertion);
    const leaf = Array.isArray(x5c) && x5c.length <= MAXIMUM_CHAIN ? x5c[0] : undefined;
    if (alg !== 'ES256' || typ !== ASSERTION_TYPE || typeof leaf !== 'string') throw new Error('another kind of JWT');
    return new X509Certificate(Buffer.from(leaf, 'base64'));
  } catch (error) {
    throw refusal('it is no JWT with a certificate', error);
  }
}

/** Directly under the CA, in force or not. */
export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey) && !certificate.ca;
}

/** Directly under the CA, and in force. */
export function checkCertificate(certificate: X509Certificate, caPem: string, now: Date): void {
  const authority = parseCertificate(caPem);
  if (!isIssuedBy(certificate, authority)) {
    throw refusal('the certificate was not issued by this manager');
  }
  if (now < certificate.validFromDate || now > certificate.validToDate) {
    throw refusal(
      `the certificate is in force from ${certificate.validFromDate.toISOString()} to ${certificate.validToDate.toISOString()}, and not now`,
    );
  }
}

async function verifySignature(
  assertion: string,
  certificate: X509Certificate,
  audience: string,
  now: Date,
): Promise<JWTPayload> {
  try {
    const verified = await jwtVerify(assertion, certificate.publicKey, {
      algorithms: ['ES256'],
      typ: ASSERTION_TYPE,
      audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: now,
    });
    return verified.payload;
  } catch (error) {
    if (error instanceof JWTExpired) throw clockRefusal(Number(error.payload.exp) * 1_000 - now.getTime(), error);
    if (error instanceof JWTClaimValidationFailed && error.claim === 'aud') {
      throw refusal('it is for a manager with another CA', error);
    }
    throw refusal('its signature or claims are not right', error);
  }
}

/** The one URI that it names. */
export function identityUri(certificate: X509Certificate): string {
  const { uris } = alternativeNames(certificate);
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) throw refusal(`the certificate has ${uris.length} URIs, not one`);
  return uri;
}

function clockRefusal(differenceMilliseconds: number, cause?: unknown): LmsError {
  const seconds = Math.round(Math.abs(differenceMilliseconds) / 1_000);
  return new LmsError(
    'UNAUTHENTICATED',
    `the assertion is ${seconds} s ${differenceMilliseconds < 0 ? 'too old' : 'from the future'}`,
    { action: "set the machine's clock right", ...(cause === undefined ? {} : { cause }) },
  );
}

function refusal(why: string, cause?: unknown): LmsError {
  return new LmsError('UNAUTHENTICATED', `the assertion is not accepted: ${why}`, {
    action: 'enrol again if this machine or replication server belongs to this manager',
    ...(cause === undefined ? {} : { cause }),
  });
}
