/**
 * The agent's end: opens a block-stream connection and proves that the other end is the replication server it expects.
 *
 * Whether it is, is judged here and not by Node, which would just hang up: a server that is not believed is told why in
 * an ERROR frame. To a true replication server, which has checked our certificate, that is the only word of an agent whose
 * clock is wrong, since such an agent does not reach the manager either. It says nothing that is a secret.
 */
import type { Socket } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import type { ConnectionOptions as TlsOptions, TLSSocket } from 'node:tls';
import { LmsError, toLmsError } from '@lms/errors';
import { because, failureReason } from './failure-reason.ts';
import { ALPN_PROTOCOL } from './frames.ts';
import { SOCKET_BUFFER_BYTES, TlsFrameConnection, brokenConnection } from './tls-connection.ts';
import type { ConnectionOptions } from './tls-connection.ts';

export const TLS_CIPHER = 'TLS_AES_256_GCM_SHA384';
const CONNECT_TIMEOUT_MILLISECONDS = 15_000;
/** Our part of a handshake with two certificates of the manager: it cannot wait, so it is counted afterwards. */
const HANDSHAKE_SENT_BYTES = 2 * 1024;

export interface ConnectOptions extends ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** SNI, and the name that the server's certificate must have. */
  readonly serverName: string;
  /** PEM. The manager's own CA: the only one that is trusted here. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
  readonly signal: AbortSignal;
  /**
   * Opens the way that TLS goes over, where that is not TCP to `host` and `port`: a tunnel. Half-open has to be allowed on it,
   * and its own time is bounded by its maker.
   */
  readonly openSocket?: (signal: AbortSignal) => Promise<Socket>;
  /** TCP and TLS together; TLS alone with `openSocket`. Default 15,000. */
  readonly connectTimeoutMilliseconds?: number;
}

export async function connectBlockStream(options: ConnectOptions): Promise<TlsFrameConnection> {
  const peer = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
  const timeoutMilliseconds = options.connectTimeoutMilliseconds ?? CONNECT_TIMEOUT_MILLISECONDS;
  options.signal.throwIfAborted();
  const tunnel = (await options.openSocket?.(options.signal)) ?? null;
  let stands = tunnel !== null;
  let refused = false;
  let nameProblem: Error | undefined;
  // Both are documented for net sockets and honoured by tls.connect; its types leave them out.
  const tlsOptions: TlsOptions & { readonly allowHalfOpen: boolean; readonly highWaterMark: number } = {
    ...(tunnel === null ? { port: options.port } : { socket: tunnel }),
    host: options.host,
    servername: options.serverName,
    ca: options.ca,
    key: options.key,
    cert: options.cert,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: TLS_CIPHER,
    ALPNProtocols: [ALPN_PROTOCOL],
    allowHalfOpen: true,
    highWaterMark: SOCKET_BUFFER_BYTES,
    rejectUnauthorized: false,
    checkServerIdentity: (name, certificate) => (nameProblem = checkServerIdentity(name, certificate)),
  };
  const socket = connect(tlsOptions);
  socket.once('connect', () => (stands = true));
  const deadline = AbortSignal.timeout(timeoutMilliseconds);
  try {
    await handshake(socket, AbortSignal.any([options.signal, deadline]));
    if (!socket.authorized) {
      refused = true;
      throw await refuseServer(socket, peer, nameProblem, options);
    }
    requireProtocol(socket, peer);
    options.sendPacer?.charge(HANDSHAKE_SENT_BYTES);
    return new TlsFrameConnection(socket, peer, options);
  } catch (thrown) {
    // It still has a word to carry, and closes by itself.
    if (!refused) socket.destroy();
    if (options.signal.aborted) throw toLmsError(options.signal.reason, `Connecting to ${peer}`);
    if (deadline.aborted) {
      const what = stands ? ', though the connection stands' : '';
      throw new LmsError('DEADLINE_EXCEEDED', `${peer} did not answer within ${timeoutMilliseconds} ms${what}`, {
        action: 'Check that TCP 1500 of the replication server is reachable from here, and what listens there.',
        cause: because(stands ? 'TLS_STALLED' : 'TCP_TIMEOUT'),
      });
    }
    if (thrown instanceof LmsError) throw thrown;
    throw brokenConnection(peer, thrown);
  }
}

function handshake(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      socket.off('secureConnect', onSecure);
      socket.off('error', settle);
      socket.off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      // Late errors of a socket that is given up have nobody to tell.
      if (error !== null) socket.on('error', () => undefined);
      if (error === null) resolve();
      else reject(error);
    };
    const onSecure = (): void => settle(null);
    const onClose = (): void => settle(new Error('closed during the TLS handshake', { cause: because('TLS_CLOSED') }));
    const onAbort = (): void => settle(toLmsError(signal.reason));
    socket.once('secureConnect', onSecure);
    socket.once('error', settle);
    socket.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    // It may have been given up while the way was opened.
    if (signal.aborted) onAbort();
  });
}

function requireProtocol(socket: TLSSocket, peer: string): void {
  if (socket.alpnProtocol === ALPN_PROTOCOL) return;
  throw new LmsError('UNAVAILABLE', `${peer} does not speak ${ALPN_PROTOCOL}`, {
    action: 'Check that this address and port belong to a replication server, not to a web server or proxy.',
    cause: because('NOT_A_BLOCK_STREAM'),
  });
}

/** Tells it why, and returns what is to be thrown. One frame into a socket that has sent nothing yet never waits. */
async function refuseServer(
  socket: TLSSocket,
  peer: string,
  nameProblem: Error | undefined,
  options: ConnectionOptions,
): Promise<LmsError> {
  // Whatever its type says, it is the code of OpenSSL.
  const code = String(socket.authorizationError);
  const problem = nameProblem ?? Object.assign(new Error(describeProblem(code, socket)), { code });
  const error = brokenConnection(peer, problem);
  const connection = new TlsFrameConnection(socket, peer, options);
  const word = { type: 'error', code: failureReason(error), message: error.message, action: '' } as const;
  await connection.send(word).catch(() => undefined);
  connection.close();
  return error;
}

function describeProblem(code: string, socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  const here = `here it is ${new Date().toISOString()}`;
  if (certificate === undefined) return code;
  if (code === 'CERT_HAS_EXPIRED') {
    return `its certificate ran out at ${certificate.validToDate.toISOString()}, and ${here}`;
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return `its certificate is in force from ${certificate.validFromDate.toISOString()} on, and ${here}`;
  }
  return `its certificate is not of this manager (${code})`;
}
