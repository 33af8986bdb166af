/**
 * Connections to the manager by a proxy, for undici: a tunnel, then TLS with the manager through it. Errors say whether it was
 * the proxy, the way behind it, or somebody on it who re-signs what goes through.
 */
import { ProxyError, hostOfUrl, formatAuthority, isBypassed, openTunnel } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import type { buildConnector } from 'undici';

export interface ProxyConnectorOptions {
  readonly proxy: ProxySettings;
  /** For what is reached without the proxy. */
  readonly direct: buildConnector.connector;
  /** TLS over the tunnel. */
  readonly through: buildConnector.connector;
  /** Ends tunnels that are being opened. */
  readonly signal: AbortSignal;
}

export function proxyConnector({ proxy, direct, through, signal }: ProxyConnectorOptions): buildConnector.connector {
  return (options, callback) => {
    const { host, port } = hostOfUrl(`${options.protocol}//${options.host ?? options.hostname}`);
    if (isBypassed(host, port, proxy.noProxy)) {
      direct(options, callback);
      return;
    }
    openTunnel({ proxy, host, port, signal }).then(
      (httpSocket) => {
        through({ ...options, httpSocket }, (...[error, socket]) => {
          if (error === null) callback(null, socket);
          else callback(failureBehind(proxy, formatAuthority(host, port), error), null);
        });
      },
      (thrown: unknown) => callback(thrown as Error, null),
    );
  };
}

/** Whose signature it has, and not its date or its name: those are the manager's own. */
const SIGNED_BY_NOBODY_KNOWN: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

/** TLS through the tunnel failed. What is about the manager's certificate itself stays as it is. */
function failureBehind(proxy: ProxySettings, target: string, error: NodeJS.ErrnoException): Error {
  const code = error.code ?? '';
  if (SIGNED_BY_NOBODY_KNOWN.has(code)) {
    const named = proxy.caPem === null ? '' : ', and not by the CA that was named for the proxy either';
    const message = `by the proxy ${proxy.url}, ${target} shows a certificate that is not signed by a CA that is trusted${named} (${error.message})`;
    return new ProxyError('PROXY_TLS_INSPECTED', message, {
      action: `Have the inspection of TLS switched off for ${target} at the proxy, or name the CA that it signs with: --proxy-ca FILE.`,
      cause: error,
    });
  }
  if (/^(?:CERT_|ERR_TLS_CERT_)/.test(code)) return error;
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new ProxyError(
      'PROXY_TIMEOUT',
      `the proxy ${proxy.url} opened a connection to ${target}, and nothing came`,
      {
        action: `Check that ${target} answers where the proxy is.`,
        cause: error,
      },
    );
  }
  const message = `the proxy ${proxy.url} opened a connection to ${target}, which is not TLS or was ended: ${error.message}`;
  return new ProxyError('PROXY_TUNNEL_BROKEN', message, {
    action: `Check that ${target} is the manager; the log of the proxy says whether it ends what it does not know.`,
    cause: error,
  });
}
