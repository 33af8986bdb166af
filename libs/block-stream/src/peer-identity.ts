/**
 * Who is on the other end. The certificate alone says which machine it is: exactly one URI of the form
 * `spiffe://<trust domain>/machine/<machine id>`; SNI must agree with it, so that a router that went by SNI cannot have
 * brought the machine to another one's door.
 */
import type { TLSSocket } from 'node:tls';
import { LmsError } from '@lms/errors';
import { ALPN_PROTOCOL } from './frames.ts';

const SERVER_NAME_SUFFIX = '.block-stream.lms.internal';
const MACHINE_PATH = /^\/machine\/([A-Za-z0-9-]{1,64})$/;

/** What an agent asks for by SNI; a replication server's certificate covers it by a wildcard or by this name. */
export function blockStreamServerName(machineId: string): string {
  return `${machineId.toLowerCase()}${SERVER_NAME_SUFFIX}`;
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
  const names = socket.getPeerX509Certificate()?.subjectAltName?.split(', ') ?? [];
  const uris = names.filter((name) => name.startsWith('URI:')).map((name) => name.slice('URI:'.length));
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) throw refusal(`the certificate names ${uris.length} URIs, not one`);
  const prefix = `spiffe://${trustDomain}`;
  const machineId = uri.startsWith(prefix) ? MACHINE_PATH.exec(uri.slice(prefix.length))?.[1] : undefined;
  if (machineId === undefined) throw refusal(`the certificate is not of a machine of ${trustDomain}`);
  if (socket.servername !== blockStreamServerName(machineId)) {
    throw refusal(`machine ${machineId} asked for server name ${JSON.stringify(socket.servername || '')}`);
  }
  return machineId;
}
