/**
 * The replication server's end of TCP 1500.
 *
 * Situation: anybody can connect. Mechanism: TLS 1.3 with one cipher, a client certificate of our CA, ALPN, machine id
 * from the certificate, SNI that agrees; only then is there a `FrameConnection`. Special cases: handshakes are bounded in
 * number and time, since each costs signatures; connections above the bound are dropped before TLS sees them.
 * Certificates are replaced without closing the listener. Failure: a refused connection is told to `onRefused`, and the
 * others never notice. A client whose certificate or SNI is not accepted gets an ERROR frame: a bare end of TLS would look
 * to it like a broken network. So certificates are judged here (`identifyMachine`), not by Node, which would just hang up.
 */
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { LmsError, toLmsError } from '@lms/errors';
import { ALPN_PROTOCOL, CHECK_ALPN_PROTOCOL } from './frames.ts';
import { claimedMachine, identifyMachine } from './peer-identity.ts';
import { readProxiedSource } from './proxied-source.ts';
import { SOCKET_BUFFER_BYTES, TlsFrameConnection } from './tls-connection.ts';
import type { ConnectionOptions } from './tls-connection.ts';
import type { Pacer } from './pacer.ts';
import { TLS_CIPHER } from './tls-client.ts';

/** A handshake takes a few milliseconds; a slow network some hundred. */
const HANDSHAKE_TIMEOUT_MILLISECONDS = 10_000;
/** More at once than a restart of some hundred agents makes, little enough to bound memory and signatures. */
const MAXIMUM_CONCURRENT_HANDSHAKES = 64;

export interface ListenerCertificates {
  /** PEM: the manager's CA, and this server's key and chain. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

export interface BlockStreamPeer {
  readonly machineId: string;
  /** `host:port`, for logs. */
  readonly address: string;
}

export interface ListenerOptions extends ListenerCertificates, ConnectionOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly trustDomain: string;
  /** Each connection must begin with a PROXY header, and its address counts in logs. Only behind a router of ours. */
  readonly proxyProtocol?: 'required' | null;
  readonly onConnection: (connection: TlsFrameConnection, peer: BlockStreamPeer) => void;
  /** Of a client that only checks the way. Without it no such protocol is offered. */
  readonly onCheck?: (connection: TlsFrameConnection, peer: BlockStreamPeer) => void;
  /** `claimed`: the machine that the client said to be, by its server name; null: it did not come that far. */
  readonly onRefused?: (error: LmsError, address: string, claimed: string | null) => void;
  /** A share of the limit for each connection, of what it receives. Default: nothing waits. */
  readonly receiveShare?: () => Pacer;
  /** Default 10,000. */
  readonly handshakeTimeoutMilliseconds?: number;
  /** Default 64. */
  readonly maximumConcurrentHandshakes?: number;
}

export interface BlockStreamListener {
  readonly host: string;
  readonly port: number;
  /** New connections use these from now on. */
  updateCertificates(certificates: ListenerCertificates): void;
  /** Stops listening and ends every connection that is left. */
  close(): Promise<void>;
}

export async function createBlockStreamListener(options: ListenerOptions): Promise<BlockStreamListener> {
  const handshakeTimeout = options.handshakeTimeoutMilliseconds ?? HANDSHAKE_TIMEOUT_MILLISECONDS;
  const maximumHandshakes = options.maximumConcurrentHandshakes ?? MAXIMUM_CONCURRENT_HANDSHAKES;
  const handshaking = new Set<Socket>();
  const open = new Set<Socket>();
  /** Where a connection came from, by the router's end of it. */
  const sources = new Map<string, string>();
  /** TCP below TLS, by its other end: only it knows what was on the wire. */
  const wires = new Map<string, Socket>();
  const addressOf = (socket: Socket): string => sources.get(peerOf(socket)) ?? peerOf(socket);
  const refused = (thrown: unknown, address: string, claimed: string | null = null): void =>
    options.onRefused?.(toLmsError(thrown, 'Block-stream handshake'), address, claimed);

  const tls = createTlsServer({
    ca: options.ca,
    key: options.key,
    cert: options.cert,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: TLS_CIPHER,
    // The first of ours that the client names is spoken: who names both means a check.
    ALPNProtocols: options.onCheck === undefined ? [ALPN_PROTOCOL] : [CHECK_ALPN_PROTOCOL, ALPN_PROTOCOL],
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout,
  });
  tls.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    refused(error, addressOf(socket), claimedMachine(socket));
    socket.destroy();
  });
  tls.on('secureConnection', (socket: TLSSocket) => {
    const address = addressOf(socket);
    const wire = wires.get(peerOf(socket));
    const connection = new TlsFrameConnection(socket, address, {
      ...options,
      ...(options.receiveShare !== undefined && { receivePacer: options.receiveShare() }),
      ...(wire !== undefined && { arrivedBytes: () => wire.bytesRead }),
    });
    let machineId: string;
    try {
      machineId = identifyMachine(socket, options.trustDomain);
    } catch (thrown) {
      refused(thrown, address, claimedMachine(socket));
      void turnAway(connection, toLmsError(thrown));
      return;
    }
    const serve = socket.alpnProtocol === ALPN_PROTOCOL ? options.onConnection : options.onCheck;
    serve?.(connection, { machineId, address });
  });

  const tcp = createTcpServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, highWaterMark: SOCKET_BUFFER_BYTES },
    (socket) => {
      if (handshaking.size >= maximumHandshakes) {
        socket.destroy();
        refused(new LmsError('RESOURCE_EXHAUSTED', `${maximumHandshakes} handshakes are under way`), addressOf(socket));
        return;
      }
      open.add(socket);
      handshaking.add(socket);
      const peer = peerOf(socket);
      wires.set(peer, socket);
      socket.once('close', () => {
        sources.delete(peer);
        wires.delete(peer);
        open.delete(socket);
        handshaking.delete(socket);
      });
      if (options.proxyProtocol !== 'required') {
        tls.emit('connection', socket);
        return;
      }
      void readProxiedSource(socket, handshakeTimeout).then(
        (source) => {
          if (source !== null) sources.set(peer, formatAddress(source.address, source.port));
          tls.emit('connection', socket);
        },
        (thrown: unknown) => {
          socket.destroy();
          refused(thrown, peer);
        },
      );
    },
  );
  // The TLS socket that was made of a TCP socket has its remote port; that ends the handshake's count.
  tls.prependListener('secureConnection', (socket: TLSSocket) => {
    for (const candidate of handshaking) {
      if (candidate.remotePort === socket.remotePort && candidate.remoteAddress === socket.remoteAddress) {
        handshaking.delete(candidate);
      }
    }
  });

  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen(options.port, options.host, () => {
      tcp.off('error', reject);
      resolve();
    });
  });
  const address = tcp.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    updateCertificates: (certificates) =>
      tls.setSecureContext({
        ca: certificates.ca,
        key: certificates.key,
        cert: certificates.cert,
        minVersion: 'TLSv1.3',
        maxVersion: 'TLSv1.3',
        ciphers: TLS_CIPHER,
      }),
    close: () =>
      new Promise((resolve) => {
        tcp.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function peerOf(socket: Socket): string {
  return formatAddress(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0);
}

function formatAddress(address: string, port: number): string {
  return `${address}:${port}`;
}

/** One ERROR frame into a socket that has sent nothing yet, so it never waits; then the end. */
async function turnAway(connection: TlsFrameConnection, { code, message, action }: LmsError): Promise<void> {
  await connection.send({ type: 'error', code, message, action: action ?? '' }).catch(() => undefined);
  connection.close();
}
