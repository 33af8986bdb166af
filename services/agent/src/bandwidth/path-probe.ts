/**
 * How much the path to port 1500 carries, politely: at most 8 MiB and 4 seconds of sending.
 *
 * Situation: the replication server takes data from enrolled agents only, and a second session would end the one that
 * replicates. Mechanism: a connection of checks (docs/protocol.md), which is never a session; each of its frames is answered
 * when it has arrived whole, so buffers on the way do not count. More is on its way at once the quicker answers come, and the
 * beginning, while TCP looks for its speed, is left out. Special cases: without a certificate (before enrolment) nothing can be
 * sent; TCP and TLS only answer, and the report says so.
 * Failure: whatever fails is a sentence in the report; a measurement of writes is not lost for it.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { MODEL_CONSTANTS, formatLinkRate } from '@lms/bandwidth-model';
import { CHECK_ALPN_PROTOCOL, TLS_CIPHER, TlsFrameConnection } from '@lms/block-stream';
import { LmsError, toLmsError } from '@lms/errors';
import { openTunnel, type ProxySettings } from '@lms/proxy';
import type { PathReport } from './path.ts';

const CONNECT_MILLISECONDS = 5_000;
const SENDING_MILLISECONDS = 4_000;
/** Of the last answers. */
const PATIENCE_MILLISECONDS = 10_000;
const MAXIMUM_BYTES = 8 * 1024 * 1024;
const FRAME_BYTES = 64 * 1024;
const FIRST_FRAMES_AT_ONCE = 4;
const MAXIMUM_FRAMES_AT_ONCE = 64;
const ROUND_TRIPS = 3;
/** Of the bytes: while TCP looks for its speed. */
const SLOW_START_SHARE = 0.3;
/** Over sooner than this, the path may carry more. */
const QUICK_SECONDS = 1;

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
  /** Null: directly. */
  readonly proxy: ProxySettings | null;
}

export async function probePath(target: PathTarget, signal: AbortSignal): Promise<PathReport> {
  const address = `${target.host}:${target.port}`;
  const nothing = { address, roundTripMilliseconds: null, bitsPerSecond: null, isLeast: false, sentBytes: 0 };
  try {
    const startedAt = performance.now();
    const tcp = await openSocket(target, signal);
    const roundTripMilliseconds = performance.now() - startedAt;
    try {
      const tls = await secure(tcp, target, signal);
      if (target.credentials !== null) return await measured(address, new TlsFrameConnection(tls, address), signal);
      const detail = `${address} answers in ${roundTripMilliseconds.toFixed(1)} ms; what the path carries can be measured after enrolment only, since port 1500 takes no data from strangers`;
      return { ...nothing, roundTripMilliseconds, detail };
    } finally {
      tcp.destroy();
    }
  } catch (thrown) {
    return { ...nothing, detail: `not measured: ${address}: ${toLmsError(thrown).message}` };
  }
}

async function measured(address: string, connection: TlsFrameConnection, signal: AbortSignal): Promise<PathReport> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(SENDING_MILLISECONDS + PATIENCE_MILLISECONDS)]);
  const giveUp = (): void => connection.close();
  until.addEventListener('abort', giveUp, { once: true });
  try {
    const roundTripMilliseconds = await roundTrip(connection);
    const { bitsPerSecond, sentBytes, isLeast } = await fill(connection);
    const carried = `${isLeast ? 'at least ' : ''}${formatLinkRate(bitsPerSecond)}`;
    const detail = `${carried} to ${address}, round trip ${roundTripMilliseconds.toFixed(1)} ms (${Math.round(sentBytes / 1024)} KiB sent)`;
    return { address, roundTripMilliseconds, bitsPerSecond: Math.round(bitsPerSecond), isLeast, sentBytes, detail };
  } finally {
    until.removeEventListener('abort', giveUp);
    connection.close();
  }
}

async function roundTrip(connection: TlsFrameConnection): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < ROUND_TRIPS; count++) {
    const startedAt = performance.now();
    await connection.send({ type: 'check', answerPaddingBytes: 0, padding: new Uint8Array(0) });
    await receiveAnswer(connection);
    times.push(performance.now() - startedAt);
  }
  return Math.min(...times);
}

interface Filling {
  readonly bitsPerSecond: number;
  readonly sentBytes: number;
  readonly isLeast: boolean;
}

async function fill(connection: TlsFrameConnection): Promise<Filling> {
  const padding = new Uint8Array(FRAME_BYTES);
  const arrivals: { readonly seconds: number; readonly bytes: number }[] = [{ seconds: 0, bytes: 0 }];
  const startedAt = performance.now();
  let atOnce = FIRST_FRAMES_AT_ONCE;
  let asked = 0;
  const mayAsk = (): boolean =>
    asked * FRAME_BYTES < MAXIMUM_BYTES && performance.now() - startedAt < SENDING_MILLISECONDS;
  for (let answered = 0; ; answered++) {
    while (asked - answered < atOnce && mayAsk()) {
      asked++;
      // What breaks the connection is told by the answer that does not come.
      connection.send({ type: 'check', answerPaddingBytes: 0, padding }).catch(() => undefined);
    }
    if (answered === asked) break;
    await receiveAnswer(connection);
    const seconds = (performance.now() - startedAt) / 1_000;
    arrivals.push({ seconds, bytes: (answered + 1) * FRAME_BYTES });
    // Twice as much once all that was first on its way has come within a quarter of a second.
    const quick = answered + 1 >= atOnce && seconds - (arrivals.at(-1 - atOnce)?.seconds ?? 0) < 0.25;
    if (quick) atOnce = Math.min(atOnce * 2, MAXIMUM_FRAMES_AT_ONCE);
  }
  return rateOf(arrivals);
}

function rateOf(arrivals: readonly { readonly seconds: number; readonly bytes: number }[]): Filling {
  const last = arrivals.at(-1) as (typeof arrivals)[number];
  const start = arrivals.findLast(({ bytes }) => bytes <= last.bytes * SLOW_START_SHARE) ?? { seconds: 0, bytes: 0 };
  const wireBytes = (last.bytes - start.bytes) * MODEL_CONSTANTS.wireOverhead;
  return {
    bitsPerSecond: (wireBytes * 8) / Math.max(last.seconds - start.seconds, 0.001),
    sentBytes: last.bytes,
    isLeast: last.seconds < QUICK_SECONDS,
  };
}

async function receiveAnswer(connection: TlsFrameConnection): Promise<void> {
  for (;;) {
    const frame = await connection.receive();
    if (frame?.type === 'checkAnswer') return;
    if (frame?.type === 'heartbeat') continue;
    const what = frame?.type === 'error' ? frame.message : 'the connection was closed without an answer';
    throw new LmsError('UNAVAILABLE', what);
  }
}

async function openSocket({ host, port, proxy }: PathTarget, signal: AbortSignal): Promise<Socket> {
  if (proxy !== null) return openTunnel({ host, port, proxy, signal });
  const tcp = connectTcp({ host, port, noDelay: true });
  await happens(tcp, 'connect', signal);
  return tcp;
}

async function secure(tcp: Socket, { serverName, credentials }: PathTarget, signal: AbortSignal): Promise<TLSSocket> {
  const tls = connectTls({
    socket: tcp,
    minVersion: 'TLSv1.3',
    ciphers: TLS_CIPHER,
    ALPNProtocols: [CHECK_ALPN_PROTOCOL],
    ...(serverName !== null && { servername: serverName }),
    // Before enrolment nobody is trusted, and nothing is sent.
    ...(credentials === null
      ? { rejectUnauthorized: false }
      : { ca: credentials.caPem, key: credentials.privateKeyPem, cert: credentials.certificatePem }),
  });
  await happens(tls, 'secureConnect', signal);
  return tls;
}

/** Or the socket is destroyed, and the reason thrown. */
async function happens(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MILLISECONDS)]);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(new LmsError('DEADLINE_EXCEEDED', `no answer within ${CONNECT_MILLISECONDS} ms`));
  deadline.addEventListener('abort', abort, { once: true });
  socket.once(event, () => resolve()).on('error', reject);
  socket.once('close', () => reject(new LmsError('UNAVAILABLE', 'the connection was closed')));
  try {
    await promise;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  } finally {
    deadline.removeEventListener('abort', abort);
  }
}
