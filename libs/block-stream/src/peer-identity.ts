/**
 * Who is on the other end. The certificate alone says which machine it is: exactly one URI of the form
 * `spiffe://<trust domain>/machine/<machine id>`; SNI must agree with it, so that a router that went by SNI cannot have
 * brought the machine to another one's door.
 */
import type { TLSSocket } from 'node:tls';
import { LmsError } from '@lms/errors';
import { alternativeNames, blockStreamServerName, machineOfServerName, parseIdentity } from '@lms/identity';
import { because } from './failure-reason.ts';
import type { FailureReason } from './failure-reason.ts';
import { ALPN_PROTOCOL, CHECK_ALPN_PROTOCOL } from './frames.ts';

/** What a client says to be before anything is proven: for diagnosis, and for nothing else. */
export function claimedMachine(socket: TLSSocket): string | null {
  return machineOfServerName(String(socket.servername || ''));
}

function refusal(problem: string, reason: FailureReason = 'CERTIFICATE_NOT_ACCEPTED'): LmsError {
  return new LmsError('UNAUTHENTICATED', `Block-stream connection refused: ${problem}`, {
    action: 'Enrol the agent again, with this manager, and connect it with the server name that its heartbeat got.',
    cause: because(reason),
  });
}

/** A certificate that is out of force is not a foreign one, and is mended otherwise. */
function refusalOfChain(socket: TLSSocket): LmsError {
  // Whatever its type says, it is the code of OpenSSL.
  const code = String(socket.authorizationError);
  const certificate = socket.getPeerX509Certificate();
  if (code === 'CERT_HAS_EXPIRED' && certificate !== undefined) {
    const until = certificate.validToDate.toISOString();
    return refusal(`the client certificate ran out at ${until}`, 'CERTIFICATE_EXPIRED');
  }
  return refusal(`the client certificate is not of this manager (${code})`);
}

/** The machine id, or UNAUTHENTICATED. The chain was verified by TLS before. */
export function identifyMachine(socket: TLSSocket, trustDomain: string): string {
  if (!socket.authorized) throw refusalOfChain(socket);
  const spoken = socket.alpnProtocol;
  if (spoken !== ALPN_PROTOCOL && spoken !== CHECK_ALPN_PROTOCOL) {
    throw refusal(`the client did not ask for ${ALPN_PROTOCOL}`);
  }
  const certificate = socket.getPeerX509Certificate();
  const uris = certificate === undefined ? [] : alternativeNames(certificate).uris;
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) throw refusal(`the certificate names ${uris.length} URIs, not one`);
  const identity = parseIdentity(uri);
  if (identity.kind !== 'machine' || identity.trustDomain !== trustDomain) {
    throw refusal(`the certificate is not of a machine of ${trustDomain}`);
  }
  const machineId = identity.id;
  if (socket.servername !== blockStreamServerName(machineId)) {
    throw refusal(`machine ${machineId} asked for server name ${JSON.stringify(socket.servername || '')}`);
  }
  return machineId;
}
