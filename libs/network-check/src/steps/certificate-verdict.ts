/** What is wrong with the certificate of the other end. No I/O. */
import type { X509Certificate } from 'node:crypto';
import type { CheckReason } from '../report/reasons.ts';

const EXPIRED = 'CERT_HAS_EXPIRED';
const NOT_YET_VALID = 'CERT_NOT_YET_VALID';
const ANOTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';

export type CertificateVerdict = Extract<
  CheckReason,
  'TLS_UNTRUSTED' | 'TLS_NAME_MISMATCH' | 'TLS_NOT_YET_VALID' | 'TLS_EXPIRED'
>;

/**
 * null: nothing. `problem` is of the handshake; OpenSSL names one problem of several, and one of time may hide that nobody
 * trusted the certificate in the first place: with the one authority that it can be of, that is looked at here.
 */
export function judgeCertificate(
  problem: string | null,
  certificate: X509Certificate,
  onlyAuthority: X509Certificate | null,
): CertificateVerdict | null {
  if (problem === null) return null;
  if (problem === ANOTHER_NAME) return 'TLS_NAME_MISMATCH';
  if (problem !== EXPIRED && problem !== NOT_YET_VALID) return 'TLS_UNTRUSTED';
  if (onlyAuthority !== null && !isIssuedBy(certificate, onlyAuthority)) return 'TLS_UNTRUSTED';
  return problem === EXPIRED ? 'TLS_EXPIRED' : 'TLS_NOT_YET_VALID';
}

export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

export function isInForce(certificate: X509Certificate, at: Date): boolean {
  return certificate.validFromDate <= at && at <= certificate.validToDate;
}
