/**
 * A certificate with its key and its CA: `tls.crt`, `tls.key`, `ca.crt`. It is renewed when half of its life is over, so
 * that a cluster in which this program cannot run for months goes on.
 */
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type CertificateAuthority,
  createCertificateRequest,
  createPrivateKeyPem,
  formatIdentity,
  alternativeNames,
  parseCertificate,
  renewalInstant,
} from '@lms/identity';
import { componentServerName } from '@lms/rpc';
import { keep, write, type Decision, type SecretData } from './decision.ts';

const CERTIFICATE_KEY = 'tls.crt';
const PRIVATE_KEY = 'tls.key';
const AUTHORITY_KEY = 'ca.crt';

/** For one of the manager's services: its identity and the name that its clients expect, whatever address it has. */
export async function decideComponentCertificate(
  existing: SecretData | null,
  authority: CertificateAuthority,
  component: string,
  furtherNames: readonly string[],
  now: Date,
): Promise<Decision> {
  const names = [componentServerName(component), ...furtherNames];
  const identity = formatIdentity({ trustDomain: authority.trustDomain, kind: 'service', id: component });
  const why = reasonToRenew(existing, authority, { names, identity }, now);
  if (why === null && existing !== null) return keep(existing);
  const issued = await authority.issueService(component, names, now);
  return write(secretData(authority, issued.certificatePem, issued.privateKeyPem), why ?? 'there was none');
}

/** For the ingress: names and addresses that agents and operators reach the manager by. */
export async function decideGatewayCertificate(
  existing: SecretData | null,
  authority: CertificateAuthority,
  names: readonly string[],
  now: Date,
): Promise<Decision> {
  const why = reasonToRenew(existing, authority, { names, identity: null }, now);
  if (why === null && existing !== null) return keep(existing);
  const privateKeyPem = await createPrivateKeyPem();
  const certificatePem = await authority.issueGateway(await createCertificateRequest(privateKeyPem), names, now);
  return write(secretData(authority, certificatePem, privateKeyPem), why ?? 'there was none');
}

function secretData(authority: CertificateAuthority, certificatePem: string, privateKeyPem: string): SecretData {
  return {
    [CERTIFICATE_KEY]: certificatePem,
    [PRIVATE_KEY]: privateKeyPem,
    [AUTHORITY_KEY]: authority.certificatePem,
  };
}

interface Wanted {
  readonly names: readonly string[];
  readonly identity: string | null;
}

/** Null: it serves for now. A certificate can be made again at any time, so what cannot be read is replaced too. */
function reasonToRenew(
  existing: SecretData | null,
  authority: CertificateAuthority,
  wanted: Wanted,
  now: Date,
): string | null {
  if (existing === null) return 'there was none';
  const certificate = readOrNull(() => parseCertificate(existing[CERTIFICATE_KEY] ?? ''));
  const key = readOrNull(() => createPrivateKey(existing[PRIVATE_KEY] ?? ''));
  if (certificate === null || key === null) return 'it could not be read';
  if (!certificate.checkPrivateKey(key)) return 'its key was another one';
  const issuer = parseCertificate(authority.certificatePem);
  if (existing[AUTHORITY_KEY] !== authority.certificatePem || !certificate.verify(issuer.publicKey)) {
    return 'its CA was another one';
  }
  if (wanted.identity !== null && !alternativeNames(certificate).uris.includes(wanted.identity)) {
    return 'its identity was another one';
  }
  const missing = wanted.names.find((name) => !covers(certificate, name));
  if (missing !== undefined) return `it did not name ${missing}`;
  if (now >= certificate.validToDate) return 'it had ended';
  return now >= renewalInstant(certificate) ? 'half of its life was over' : null;
}

function covers(certificate: X509Certificate, name: string): boolean {
  const found = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name);
  return found !== undefined;
}

function readOrNull<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch {
    return null;
  }
}
