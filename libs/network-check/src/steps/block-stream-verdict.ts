/** What a replication server's words and certificate say about the way to it. No I/O. */
import type { X509Certificate } from 'node:crypto';
import type { ErrorFrame } from '@lms/block-stream';
import type { CheckReason } from '../report/reasons.ts';
import { StepFailure } from '../report/step-failure.ts';
import { nameOf } from './handshake.ts';

const REASON_OF_CODE: Readonly<Record<string, CheckReason>> = {
  UNAUTHENTICATED: 'CERTIFICATE_NOT_ACCEPTED',
  PERMISSION_DENIED: 'NOT_ASSIGNED',
  REMOVED: 'MACHINE_REMOVED',
  FENCED: 'FENCED',
};

export function refusalOf({ code, message, action }: ErrorFrame): StepFailure {
  const text = action === '' ? message : `${message} (${action})`;
  return new StepFailure(REASON_OF_CODE[code] ?? 'BLOCK_STREAM_REFUSED', text);
}

/**
 * A certificate that the manager's CA has not issued: who re-signs copies the names of the right one and has an issuer of its own;
 * another installation has an issuer that is called as ours, or other names.
 */
export function untrustedBlockStream(
  peer: string,
  name: string,
  certificate: X509Certificate,
  authority: X509Certificate,
): StepFailure {
  const issuer = nameOf(certificate.issuer);
  const isCopied = certificate.checkHost(name) !== undefined && certificate.issuer !== authority.subject;
  return isCopied
    ? new StepFailure(
        'TLS_INSPECTED',
        `${peer} has the right name in a certificate by ${issuer}, which is not the manager's CA`,
      )
    : new StepFailure('TLS_UNTRUSTED', `${peer} has a certificate by ${issuer}, and not by the CA of this manager`);
}
