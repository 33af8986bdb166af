/**
 * How much the path to port 1500 carries, politely: at most 4 MiB and 6 seconds.
 *
 * Situation: the replication server takes data from enrolled agents only, and a second session would end the one that
 * replicates. Mechanism: with the agent's certificate a connection is made, and without a HELLO the beginning of one long frame
 * is sent, which is never ended: the server reads it, as it reads everything, and drops it with the connection; no session
 * begins. What has arrived is what the other kernel acknowledged (TCP_INFO), so buffers on the way do not count. A short
 * connection is mostly slow start: when the first megabyte is over quickly, four connections at once take the rest.
 * Special cases: by a proxy the probe would fill the proxy's buffers and tell about them, so it is left out; without a certificate (before enrolment) nothing can be sent; TCP and TLS only answer, and the report says so.
 * Failure: whatever fails is a sentence in the report; a measurement of writes is not lost for it.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ALPN_PROTOCOL, FRAME_HEADER_BYTES, FRAME_TABLE, TLS_CIPHER } from '@lms/block-stream';
import { formatLinkRate } from '@lms/bandwidth-model';
import { LmsError, toLmsError } from '@lms/errors';
import { readTcpInfo, type TcpInfo } from '@lms/linux';
import { pause } from '@lms/service';
import type { PathReport } from './path.ts';

const CONNECT_MILLISECONDS = 5_000;
/** Far below the 15 s in which a server waits for a HELLO. */
const SENDING_MILLISECONDS = 6_000;
const LOOK_MILLISECONDS = 20;
const PARALLEL = 3;
/** Quicker than this, the first connection was hardly out of its slow start. */
const QUICK_MILLISECONDS = 1_000;
/** The first of the bytes tell of the slow start, the rest of the path. */
const SLOW_START_SHARE = 0.4;
/** Ethernet, IP and TCP with time stamps around each segment. */
const SEGMENT_OVERHEAD_BYTES = 66;

export interface PathCredentials {
  readonly caPem: string;
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

export interface PathTarget {
  readonly host: string;
  readonly port: number;
  /** Null before enrolment. */
  readonly serverName: string | null;
  readonly credentials: PathCredentials | null;
  /** The connection would go through a proxy. */
  readonly isProxied: boolean;
}

export async function probePath(target: PathTarget, signal: AbortSignal): Promise<PathReport> {
  const address = `${target.host}:${target.port}`;
  const nothing = { address, roundTripMilliseconds: null, bitsPerSecond: null, isLeast: false, sentBytes: 0 };
  if (target.isProxied) {
    return { ...nothing, detail: `not measured: ${address} is reached by a proxy, whose buffers would be measured` };
  }
  try {
    const first = await ProbeConnection.open(target, signal);
    try {
      return target.credentials === null ? answered(address, first) : await measured(target, address, first, signal);
    } finally {
      first.close();
    }
  } catch (thrown) {
    return { ...nothing, detail: `not measured: ${address}: ${toLmsError(thrown).message}` };
  }
}

function answered(address: string, connection: ProbeConnection): PathReport {
  const roundTripMilliseconds = connection.info().roundTripMicroseconds / 1_000;
  const detail = `${address} answers in ${roundTripMilliseconds.toFixed(1)} ms; what the path carries can be measured after enrolment only, since port 1500 takes no data from strangers`;
  return { address, roundTripMilliseconds, bitsPerSecond: null, isLeast: false, sentBytes: 0, detail };
}

async function measured(
  target: PathTarget,
  address: string,
  first: ProbeConnection,
  signal: AbortSignal,
): Promise<PathReport> {
  const alone = await fill([first], signal);
  const roundTripMilliseconds = first.info().roundTripMicroseconds / 1_000;
  let best = alone;
  let sentBytes = alone.bytes;
  if (alone.seconds * 1_000 < QUICK_MILLISECONDS) {
    const opened = await Promise.allSettled(
      Array.from({ length: PARALLEL }, () => ProbeConnection.open(target, signal)),
    );
    const more = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    try {
      const together = await fill(more, signal);
      sentBytes += together.bytes;
      if (together.bitsPerSecond > best.bitsPerSecond) best = together;
    } finally {
      for (const connection of more) connection.close();
    }
  }
  const isLeast = best.seconds * 1_000 < QUICK_MILLISECONDS;
  const carried = `${isLeast ? 'at least ' : ''}${formatLinkRate(best.bitsPerSecond)}`;
  const detail = `${carried} to ${address}, round trip ${roundTripMilliseconds.toFixed(1)} ms (${Math.round(sentBytes / 1024)} KiB sent)`;
  return { address, roundTripMilliseconds, bitsPerSecond: Math.round(best.bitsPerSecond), isLeast, sentBytes, detail };
}

interface Filling {
  readonly bitsPerSecond: number;
  readonly seconds: number;
  readonly bytes: number;
}

/** All connections at once, until everything has arrived or the time is over. */
async function fill(connections: readonly ProbeConnection[], signal: AbortSignal): Promise<Filling> {
  if (connections.length === 0) return { bitsPerSecond: 0, seconds: 0, bytes: 0 };
  const until = AbortSignal.any([signal, AbortSignal.timeout(SENDING_MILLISECONDS)]);
  const arrivedBefore = arrivedBytes(connections);
  const beganAt = performance.now();
  for (const connection of connections) connection.send();
  const goal = connections.length * ProbeConnection.payloadBytes;
  const seen = [{ seconds: 0, bytes: 0 }];
  do {
    const bytes = arrivedBytes(connections) - arrivedBefore;
    seen.push({ seconds: (performance.now() - beganAt) / 1_000, bytes });
    if (bytes >= goal || connections.some((connection) => connection.failed)) break;
  } while (await pause(LOOK_MILLISECONDS, until));
  const last = seen.at(-1) as (typeof seen)[number];
  // After the slow start; of a path so slow that it never got there, all.
  const start = seen.findLast(({ bytes }) => bytes <= last.bytes * SLOW_START_SHARE) ?? { seconds: 0, bytes: 0 };
  const segment = connections[0]?.info().maximumSegmentBytes ?? 1_448;
  const wireShare = (segment + SEGMENT_OVERHEAD_BYTES) / segment;
  const seconds = Math.max(last.seconds - start.seconds, 0.001);
  return {
    bitsPerSecond: ((last.bytes - start.bytes) * 8 * wireShare) / seconds,
    seconds: last.seconds,
    bytes: last.bytes,
  };
}

function arrivedBytes(connections: readonly ProbeConnection[]): number {
  return connections.reduce((sum, connection) => sum + connection.info().acknowledgedBytes, 0);
}

class ProbeConnection {
  /** One byte less than the frame that its header announces: it is never complete. */
  static readonly payloadBytes = FRAME_TABLE.write.maximumBodyBytes - 1;
  readonly #tcp: Socket;
  readonly #tls: TLSSocket;
  #lastInfo: TcpInfo;
  failed = false;

  private constructor(tcp: Socket, tls: TLSSocket, info: TcpInfo) {
    this.#tcp = tcp;
    this.#tls = tls;
    this.#lastInfo = info;
    const fail = (): void => {
      this.failed = true;
    };
    tls.on('error', fail).on('close', fail).resume();
  }

  static async open(
    { host, port, serverName, credentials }: PathTarget,
    signal: AbortSignal,
  ): Promise<ProbeConnection> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MILLISECONDS)]);
    const tcp = connectTcp({ host, port });
    try {
      await happens(tcp, 'connect', deadline);
      tcp.setNoDelay(true);
      const tls = connectTls({
        socket: tcp,
        minVersion: 'TLSv1.3',
        ciphers: TLS_CIPHER,
        ALPNProtocols: [ALPN_PROTOCOL],
        ...(serverName !== null && { servername: serverName }),
        // Before enrolment nobody is trusted, and nothing is sent.
        ...(credentials === null
          ? { rejectUnauthorized: false }
          : { ca: credentials.caPem, key: credentials.privateKeyPem, cert: credentials.certificatePem }),
      });
      await happens(tls, 'secureConnect', deadline);
      return new ProbeConnection(tcp, tls, readTcpInfo(descriptorOf(tcp)));
    } catch (thrown) {
      tcp.on('error', () => undefined).destroy();
      if (deadline.aborted && !signal.aborted) throw new LmsError('DEADLINE_EXCEEDED', 'no answer within 5 s');
      throw thrown;
    }
  }

  send(): void {
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUInt32LE(FRAME_TABLE.write.maximumBodyBytes, 0);
    header.writeUInt8(FRAME_TABLE.write.code, 4);
    this.#tls.write(header);
    this.#tls.write(Buffer.alloc(ProbeConnection.payloadBytes));
  }

  info(): TcpInfo {
    const descriptor = descriptorOf(this.#tcp);
    if (descriptor >= 0) this.#lastInfo = readTcpInfo(descriptor);
    return this.#lastInfo;
  }

  close(): void {
    this.#tls.destroy();
    this.#tcp.destroy();
  }
}

/** Node keeps it to itself; -1 once the socket is closed. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd ?? -1;
}

function happens(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(toLmsError(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    socket.once(event, () => resolve()).once('error', reject);
    socket.once('close', () => reject(new LmsError('UNAVAILABLE', 'the connection was closed')));
  });
}
