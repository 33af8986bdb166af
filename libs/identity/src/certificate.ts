/** Reading certificates. */
import { X509Certificate, createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';

/** Hex SHA-256 of the DER: how people and `--ca-sha256` name a CA. */
export function certificateSha256(pem: string): string {
  return createHash('sha256').update(parseCertificate(pem).raw).digest('hex');
}

export function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new LmsError('INVALID_ARGUMENT', 'this is no certificate in PEM', { cause: error });
  }
}

/** Names in a certificate, by kind. An entry of another kind is left out. */
export function alternativeNames(certificate: X509Certificate): {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
} {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  for (const name of certificate.subjectAltName?.split(', ') ?? []) {
    if (name.startsWith('URI:')) uris.push(name.slice('URI:'.length));
    if (name.startsWith('DNS:')) dnsNames.push(name.slice('DNS:'.length));
  }
  return { uris, dnsNames };
}

/** When half of its life is over: certificates are renewed then, so that a manager may be away for the other half. */
export function renewalInstant(certificate: X509Certificate): Date {
  const from = certificate.validFromDate.getTime();
  return new Date(from + (certificate.validToDate.getTime() - from) / 2);
}
