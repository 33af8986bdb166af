/**
 * Whom the client believes to be the manager.
 *
 * Situation: on 443 there is the gateway itself (certificate under the manager's own CA) or an ingress (any certificate
 * that the system trusts). Mechanism: the manager's CA is fetched once and believed only when its SHA-256 is the one that
 * was given out of band; from then on that CA and the system's store are trusted. Downside: the fetch itself is made
 * without checking TLS, so nothing but that one public certificate may ever be asked for over it.
 */
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { LmsError } from '@lms/errors';
import { certificateSha256 } from '@lms/identity';
import type { ProxySettings } from '@lms/proxy';
import { Agent, buildConnector } from 'undici';
import { CertificateAuthorityAnswer } from '../schemas/index.ts';
import { ApiClient } from './api-client.ts';
import { proxyConnector } from './proxy-connector.ts';

/** A dead address is given up after this; a slow proxy answers within it. */
const CONNECT_TIMEOUT_MILLISECONDS = 10_000;
/** Long-polls, an upload and a batch at once; more would only queue at the gateway. */
const MAXIMUM_CONNECTIONS = 8;
const NEVER = new AbortController().signal;

/**
 * Connections that believe this CA (PEM, or none) and the system's store, directly or by a proxy. The caller closes it;
 * `signal` ends ways through the proxy that are still being opened then.
 *
 * Some hundred certificates are read for that, which takes tens of milliseconds: once, and not for each connection.
 * What `--proxy-ca` names is believed through the proxy, and not where a host is reached without it.
 */
export function createDispatcher(
  caPem: string | null,
  proxy: ProxySettings | null = null,
  signal: AbortSignal = NEVER,
): Agent {
  const stores = [...getCACertificates('default'), ...getCACertificates('system')];
  const believing = (...more: readonly (string | null)[]): SecureContext =>
    createSecureContext({ ca: [...more.filter((pem) => pem !== null), ...stores] });
  const direct = { timeout: CONNECT_TIMEOUT_MILLISECONDS, secureContext: believing(caPem) };
  if (proxy === null) return new Agent({ connections: MAXIMUM_CONNECTIONS, connect: direct });
  const through = proxy.caPem === null ? direct : { ...direct, secureContext: believing(caPem, proxy.caPem) };
  return new Agent({
    connections: MAXIMUM_CONNECTIONS,
    connect: proxyConnector({ proxy, direct: buildConnector(direct), through: buildConnector(through), signal }),
  });
}

/** Fetches the manager's CA and compares it with `sha256` (64 hexadecimal digits). UNAUTHENTICATED when it is another one. */
export async function fetchManagerCa(
  managerUrl: string,
  sha256: string,
  signal: AbortSignal = NEVER,
  proxy: ProxySettings | null = null,
): Promise<string> {
  const expected = sha256.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(expected)) {
    throw new LmsError('INVALID_ARGUMENT', 'the SHA-256 of the CA is not 64 hexadecimal digits', { field: 'caSha256' });
  }
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MILLISECONDS, rejectUnauthorized: false });
  const dispatcher = new Agent({
    connect: proxy === null ? connect : proxyConnector({ proxy, direct: connect, through: connect, signal }),
  });
  try {
    const client = new ApiClient({ managerUrl, dispatcher });
    const answer = await client.call({ method: 'GET', path: '/v1/ca', answer: CertificateAuthorityAnswer, signal });
    const actual = shaOrNull(answer.certificatePem);
    if (actual !== expected) {
      throw new LmsError(
        'UNAUTHENTICATED',
        `the CA of ${managerUrl} has SHA-256 ${actual ?? '(none: it is no certificate)'}, not ${expected}`,
        {
          field: 'caSha256',
          action: 'check the manager URL and the hash; if both are right, somebody is between you and the manager',
        },
      );
    }
    return answer.certificatePem;
  } finally {
    await dispatcher.destroy();
  }
}

function shaOrNull(pem: string): string | null {
  try {
    return certificateSha256(pem);
  } catch {
    return null;
  }
}
