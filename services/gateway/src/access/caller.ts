/** Who asks, and who may ask what. Every route names its callers; a route that names none cannot be registered. */
import { LmsError } from '@lms/errors';

export const ACCESSES = ['anyone', 'machine', 'replication-server', 'operator'] as const;
export type Access = (typeof ACCESSES)[number];

export type Caller =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'operator'; readonly tokenId: string; readonly name: string }
  | {
      readonly kind: 'machine' | 'replication-server';
      /** A machine's id, or a replication server's name. */
      readonly id: string;
      /** spiffe://… */
      readonly uri: string;
      /** Of its certificate. */
      readonly dnsNames: readonly string[];
    };

export type CertifiedCaller = Extract<Caller, { readonly id: string }>;

export function certifiedCaller(caller: Caller): CertifiedCaller {
  if (caller.kind === 'machine' || caller.kind === 'replication-server') return caller;
  throw new LmsError('PERMISSION_DENIED', `${caller.kind} may not ask for this`);
}

/** For rate limits and logs. */
export function callerKey(caller: Caller, address: string): string {
  switch (caller.kind) {
    case 'anyone':
      return `address ${address}`;
    case 'operator':
      return `operator ${caller.tokenId}`;
    default:
      return `${caller.kind} ${caller.id}`;
  }
}
