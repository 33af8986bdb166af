/**
 * What an assertion that was not accepted shows all the same: whose it is, proven by its signature and its certificate's,
 * and whether a clock or an expired certificate is to blame. For diagnosis: nobody is let in for it.
 */
import { decodeJwt, jwtVerify } from 'jose';
import { CLOCK_TOLERANCE_SECONDS, identityUri, isIssuedBy, leafOf } from './assertion.ts';
import type { AssertionChecker } from './assertion.ts';
import { parseCertificate } from './certificate.ts';
import { parseIdentity, type Identity } from './spiffe.ts';

export interface ExplainedRefusal {
  readonly identity: Identity;
  readonly reason: 'CLOCK' | 'CERTIFICATE_EXPIRED' | 'OTHER';
  /** The clock of who made it minus ours. */
  readonly clockAheadMilliseconds: number;
}

/** Null: it proves nothing. */
export async function explainRefusal(
  assertion: string,
  { caPem, caSha256, trustDomain, now = new Date() }: Omit<AssertionChecker, 'replays'>,
): Promise<ExplainedRefusal | null> {
  try {
    const certificate = leafOf(assertion);
    if (!isIssuedBy(certificate, parseCertificate(caPem))) return null;
    const identity = parseIdentity(identityUri(certificate));
    if (identity.trustDomain !== trustDomain) return null;
    const madeAt = new Date((decodeJwt(assertion).iat ?? Number.NaN) * 1_000);
    const options = { algorithms: ['ES256'], audience: caSha256, currentDate: madeAt };
    await jwtVerify(assertion, certificate.publicKey, options);
    const clockAheadMilliseconds = madeAt.getTime() - now.getTime();
    const offClock = Math.abs(clockAheadMilliseconds) > CLOCK_TOLERANCE_SECONDS * 1_000;
    const reason = offClock ? 'CLOCK' : now > certificate.validToDate ? 'CERTIFICATE_EXPIRED' : 'OTHER';
    return { identity, reason, clockAheadMilliseconds };
  } catch {
    return null;
  }
}
