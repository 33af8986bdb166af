/**
 * Who a certificate speaks for: `spiffe://<trust domain>/machine/<id>`, `…/replication-server/<name>`,
 * `…/service/<component>`. It is the certificate's only URI; everything else in it is for TLS libraries.
 */
import { LmsError } from '@lms/errors';

export const IDENTITY_KINDS = ['machine', 'replication-server', 'service'] as const;
export type IdentityKind = (typeof IDENTITY_KINDS)[number];

export interface Identity {
  readonly trustDomain: string;
  readonly kind: IdentityKind;
  /** A machine's id, or the name of a replication server or service. */
  readonly id: string;
}

const FORM =
  /^spiffe:\/\/([a-z0-9][a-z0-9.-]{0,252})\/(machine|replication-server|service)\/([a-z0-9][a-z0-9-]{0,62})$/;

export function formatIdentity({ trustDomain, kind, id }: Identity): string {
  const uri = `spiffe://${trustDomain}/${kind}/${id}`;
  if (!FORM.test(uri)) throw new LmsError('INVALID_ARGUMENT', `${uri} is not the name of an identity`);
  return uri;
}

/** UNAUTHENTICATED unless it is one of ours. */
export function parseIdentity(uri: string): Identity {
  const match = FORM.exec(uri);
  const [, trustDomain, kind, id] = match ?? [];
  if (trustDomain === undefined || kind === undefined || id === undefined) {
    throw new LmsError('UNAUTHENTICATED', `${JSON.stringify(uri)} is not the name of a machine or replication server`);
  }
  return { trustDomain, kind: kind as IdentityKind, id };
}
