/** The connection to the proxy itself: TCP, and TLS for https:// proxies. */
import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { ProxyError } from './failure.ts';
import { hostOfUrl } from './settings.ts';
import type { ProxySettings } from './settings.ts';

/** Reading some hundred certificates takes tens of milliseconds: once for a proxy, and not for each connection. */
const contexts = new WeakMap<ProxySettings, SecureContext>();

/** Rejects with a `ProxyError`, or with whatever aborted it. */
export async function connectToProxy(proxy: ProxySettings, signal: AbortSignal): Promise<Socket> {
  const { host, port } = hostOfUrl(proxy.url);
  // Also where a name has addresses of both kinds and one of them leads nowhere.
  const socket = connectTcp({ host, port, autoSelectFamily: true, allowHalfOpen: true });
  try {
    await established(socket, 'connect', signal);
  } catch (thrown) {
    socket.destroy();
    signal.throwIfAborted();
    throw new ProxyError('PROXY_UNREACHABLE', `cannot reach the proxy ${proxy.url}: ${reasonOf(thrown)}`, {
      action: 'Check its address and port, that it runs, and that a firewall lets this machine connect to it.',
      cause: thrown,
    });
  }
  socket.setNoDelay(true).setKeepAlive(true, 60_000);
  return proxy.url.startsWith('https:') ? startTls(socket, host, proxy, signal) : socket;
}

async function startTls(tcp: Socket, host: string, proxy: ProxySettings, signal: AbortSignal): Promise<Socket> {
  const socket = connectTls({
    socket: tcp,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: contextOf(proxy),
    ALPNProtocols: ['http/1.1'],
  });
  try {
    await established(socket, 'secureConnect', signal);
    return socket;
  } catch (thrown) {
    socket.destroy();
    tcp.destroy();
    signal.throwIfAborted();
    throw failureOfTls(proxy, thrown);
  }
}

function contextOf(proxy: ProxySettings): SecureContext {
  const known = contexts.get(proxy);
  if (known !== undefined) return known;
  const stores = [...getCACertificates('default'), ...getCACertificates('system')];
  const context = createSecureContext({ ca: proxy.caPem === null ? stores : [proxy.caPem, ...stores] });
  contexts.set(proxy, context);
  return context;
}

function failureOfTls(proxy: ProxySettings, thrown: unknown): ProxyError {
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  // Of OpenSSL (the bytes are no TLS), or the other side ended at our first byte: it does not speak TLS.
  if (/^(ERR_SSL_|EPROTO)/.test(code)) {
    return new ProxyError(
      'PROXY_NOT_A_PROXY',
      `${proxy.url} does not speak TLS as a proxy would: ${reasonOf(thrown)}`,
      {
        action: 'If it is a proxy that is reached in the clear, name it with http://.',
        cause: thrown,
      },
    );
  }
  if (/^(ECONNRESET|EPIPE)$/.test(code) || code === '') {
    return new ProxyError('PROXY_NOT_A_PROXY', `${proxy.url} ended the TLS handshake: ${reasonOf(thrown)}`, {
      action: 'Check address and port; if it is a proxy that is reached in the clear, name it with http://.',
      cause: thrown,
    });
  }
  const whose = proxy.caPem === null ? 'Name the CA of the proxy with --proxy-ca, or check' : 'Check --proxy-ca,';
  return new ProxyError(
    'PROXY_TLS_UNTRUSTED',
    `the certificate of the proxy ${proxy.url} is not trusted: ${reasonOf(thrown)}`,
    {
      action: `${whose} the name of the proxy and the clock.`,
      cause: thrown,
    },
  );
}

function established(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: unknown): void => {
      socket.off(event, onReady);
      socket.off('error', settle);
      socket.off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      if (error === null) {
        resolve();
        return;
      }
      // Late errors of a socket that is given up have nobody to tell.
      socket.on('error', () => undefined);
      reject(error as Error);
    };
    const onReady = (): void => settle(null);
    const onClose = (): void => settle(new Error('the connection was closed'));
    const onAbort = (): void => settle(signal.reason);
    socket.once(event, onReady);
    socket.once('error', settle);
    socket.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** With several addresses there are several errors, and the one around them says nothing. */
function reasonOf(thrown: unknown): string {
  const { errors, message } = thrown as { readonly errors?: unknown; readonly message?: string };
  if (!Array.isArray(errors)) return message ?? String(thrown);
  return errors.map((error) => (error as Partial<Error>).message ?? String(error)).join('; ');
}
