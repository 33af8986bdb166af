/**
 * Who is on the other end. The certificate alone says which machine it is: exactly one URI of the form
 * `spiffe://<trust domain>/machine/<machine id>`; SNI must agree with it, so that a router that went by SNI cannot have
 * brought the machine to another one's door.
 */
import type { TLSSocket } from 'node:tls';
import { LmsError } from '@lms/errors';
import { alternativeNames, parseIdentity } from '@lms/identity';
import { ALPN_PROTOCOL } from './frames.ts';

const SERVER_NAME_SUFFIX = '.block-stream.lms.internal';

/** What an agent asks for by SNI; a replication server's certificate covers it by a wildcard or by this name. */
export function blockStreamServerName(machineId: string): string {
  return `${machineId}${SERVER_NAME_SUFFIX}`;
}

function refusal(problem: string): LmsError {
  return new LmsError('UNAUTHENTICATED', `Block-stream connection refused: ${problem}`, {
    action: 'Enrol the agent again, with this manager, and connect it with the server name that its heartbeat got.',
  });
}

/** The machine id, or UNAUTHENTICATED. The chain was verified by TLS before. */
export function identifyMachine(socket: TLSSocket, trustDomain: string): string {
  if (!socket.authorized) throw refusal('the client certificate is not of this manager');
  if (socket.alpnProtocol !== ALPN_PROTOCOL) throw refusal(`the client did not ask for ${ALPN_PROTOCOL}`);
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
