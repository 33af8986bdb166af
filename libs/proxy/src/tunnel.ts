/**
 * A TCP connection to any host through an HTTP proxy (CONNECT, RFC 9110 § 9.3.6).
 *
 * Mechanism: a connection to the proxy (TLS first for https://), one request, and after an answer of 2xx the bytes belong to
 * whoever asked. Node's own HTTP parser reads the answer. undici's `ProxyAgent` would do the same and says of every refusal
 * only its number: who is asked for NTLM, or is refused for the port, has to be told.
 * Special cases: several addresses of the proxy are tried by Node one after the other. What comes with the answer is put back.
 * Failure: everything is one `ProxyError`, within a bounded time, and an answer has at most 16 KiB; the caller's own abort stays
 * what it is.
 */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { LmsError, toLmsError } from '@lms/errors';
import { failureOfAnswer } from './answer.ts';
import { ProxyError } from './failure.ts';
import { connectToProxy } from './proxy-connection.ts';
import { formatAuthority } from './settings.ts';
import type { ProxySettings } from './settings.ts';

/** A proxy waits some time itself for a host that does not answer: its own words are better than our impatience. */
const DEFAULT_TIMEOUT_MILLISECONDS = 30_000;
const MAXIMUM_ANSWER_BYTES = 16 * 1024;
/** First byte of a TLS alert: what a TLS server says to a request in the clear. */
const TLS_ALERT = 0x15;

export interface TunnelOptions {
  readonly proxy: ProxySettings;
  /** Name or address; IPv6 without brackets. The proxy looks a name up. */
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
  /** Of all of it together. Default 30,000. */
  readonly timeoutMilliseconds?: number;
}

/** The caller owns the socket; half-open is allowed on it, as `net.connect` with `allowHalfOpen`. */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { proxy, signal, timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS } = options;
  const target = formatAuthority(options.host, options.port);
  const deadline = AbortSignal.timeout(timeoutMilliseconds);
  const ending = AbortSignal.any([signal, deadline]);
  let socket: Socket | null = null;
  try {
    ending.throwIfAborted();
    socket = await connectToProxy(proxy, ending);
    await ask(socket, proxy, target, ending);
    return socket;
  } catch (thrown) {
    socket?.destroy();
    if (signal.aborted) throw toLmsError(signal.reason, `Connecting to ${target} by the proxy ${proxy.url}`);
    if (deadline.aborted) throw outOfTime(proxy, target, socket !== null, timeoutMilliseconds, thrown);
    if (thrown instanceof LmsError) throw thrown;
    throw brokenAnswer(proxy, thrown);
  }
}

async function ask(socket: Socket, proxy: ProxySettings, target: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<{ answer: IncomingMessage; head: Buffer }>();
  const asking = request({
    method: 'CONNECT',
    path: target,
    headers: { host: target, connection: 'keep-alive', ...authorizationOf(proxy) },
    setHost: false,
    createConnection: () => socket,
    maxHeaderSize: MAXIMUM_ANSWER_BYTES,
    signal,
  });
  asking.once('connect', (answer, _socket, head) => resolve({ answer, head }));
  asking.on('error', reject);
  asking.once('close', () => reject(new Error('it closed the connection without an answer')));
  asking.end();
  const { answer, head } = await promise;
  const { statusCode = 0, statusMessage = '', rawHeaders } = answer;
  const failure = failureOfAnswer(
    { status: statusCode, statusText: statusMessage, rawHeaders },
    { proxyUrl: proxy.url, target, username: proxy.username },
  );
  if (failure !== null) throw failure;
  if (head.length > 0) socket.unshift(head);
}

function authorizationOf({ username, password }: ProxySettings): Readonly<Record<string, string>> {
  if (username === null) return {};
  const credentials = Buffer.from(`${username}:${password ?? ''}`, 'utf8').toString('base64');
  return { 'proxy-authorization': `Basic ${credentials}` };
}

function outOfTime(
  proxy: ProxySettings,
  target: string,
  connected: boolean,
  timeoutMilliseconds: number,
  cause: unknown,
): ProxyError {
  const within = `within ${Math.round(timeoutMilliseconds / 1_000)} s`;
  if (!connected) {
    return new ProxyError('PROXY_TIMEOUT', `the proxy ${proxy.url} did not take a connection ${within}`, {
      action: 'Check its address and port, and that no firewall drops what goes there.',
      cause,
    });
  }
  return new ProxyError('PROXY_TIMEOUT', `the proxy ${proxy.url} did not open a connection to ${target} ${within}`, {
    action: `Check that it is a proxy, and that ${target} answers where it is.`,
    cause,
  });
}

/** The parser's own codes begin with HPE_. */
function brokenAnswer(proxy: ProxySettings, thrown: unknown): ProxyError {
  const { code, message, rawPacket } = thrown as NodeJS.ErrnoException & { readonly rawPacket?: Uint8Array };
  if (rawPacket?.[0] === TLS_ALERT) {
    return new ProxyError('PROXY_NOT_A_PROXY', `${proxy.url} speaks TLS where it was asked in the clear`, {
      action: 'If it is a proxy that is reached over TLS, name it with https://.',
      cause: thrown,
    });
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new ProxyError('PROXY_NOT_A_PROXY', `the answer of ${proxy.url} is longer than any answer of a proxy`, {
      action: 'Check address and port of the proxy.',
      cause: thrown,
    });
  }
  const what = code?.startsWith('HPE_') === true ? 'is not HTTP' : `broke off: ${message}`;
  return new ProxyError('PROXY_NOT_A_PROXY', `the answer of ${proxy.url} ${what}`, {
    action:
      'Check address and port, and whether it allows connections from here; one that is reached over TLS has https://.',
    cause: thrown,
  });
}
