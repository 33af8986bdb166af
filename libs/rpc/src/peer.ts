/** Who is at the other end of a call: the component that the certificate names. */
import { X509Certificate } from 'node:crypto';
import { LmsError } from '@lms/errors';

/** As libs/identity writes it: `URI:spiffe://<trust domain>/service/<component>`. */
const SERVICE_IDENTITY = /(?:^|, )URI:spiffe:\/\/[^/,\s]+\/service\/([a-z0-9-]+)(?:,|$)/;

/** UNAUTHENTICATED unless the certificate (already verified against the internal CA) is a service's. */
export function peerComponent(certificateDer: Buffer | undefined): string {
  const alternativeNames =
    certificateDer === undefined ? undefined : new X509Certificate(certificateDer).subjectAltName;
  const component = SERVICE_IDENTITY.exec(alternativeNames ?? '')?.[1];
  if (component === undefined) {
    throw new LmsError('UNAUTHENTICATED', 'the certificate of the caller names no service of this manager', {
      action: 'Give the caller a certificate of the internal CA with the identity spiffe://…/service/<component>.',
    });
  }
  return component;
}
