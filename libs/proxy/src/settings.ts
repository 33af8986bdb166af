/** Which proxy, and who is asking there. */
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { isNoProxyEntry } from './no-proxy.ts';

/** Longer is no name of anything. */
const MAXIMUM_URL_CHARACTERS = 2_048;
const MAXIMUM_CREDENTIAL_CHARACTERS = 1_024;
const MAXIMUM_NO_PROXY_ENTRIES = 1_000;
/** A handful of certificates. */
const MAXIMUM_CA_CHARACTERS = 256 * 1024;

const WHAT_IS_NEEDED = 'Give http://HOST:PORT or https://HOST:PORT; user and password are named apart from it.';

/** Basic (RFC 7617) joins both by a colon, and has no way to say a control character. */
const Credential = z
  .string()
  .max(MAXIMUM_CREDENTIAL_CHARACTERS)
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'must have no control characters');

export const ProxySettings = z
  .object({
    /** `http://host:3128` or `https://host:3129`, never with a user in it: what is shown to people anywhere. */
    url: z
      .string()
      .max(MAXIMUM_URL_CHARACTERS)
      .refine((url) => problemOf(url) === null, 'must be http://HOST:PORT or https://HOST:PORT'),
    username: Credential.min(1)
      .regex(/^[^:]*$/, 'must have no colon')
      .nullable(),
    password: Credential.nullable(),
    /** What is reached without the proxy: see `isBypassed`. */
    noProxy: z.array(z.string().refine(isNoProxyEntry, 'is no host, address or network')).max(MAXIMUM_NO_PROXY_ENTRIES),
    /** PEM. Believed for an https:// proxy itself, and for 443 where the proxy re-signs TLS. Never on 1500. */
    caPem: z.string().max(MAXIMUM_CA_CHARACTERS).nullable(),
  })
  .refine(({ username, password }) => (username === null) === (password === null), {
    message: 'a user needs a password, and a password a user',
    path: ['username'],
  });
export type ProxySettings = Readonly<z.infer<typeof ProxySettings>>;

/**
 * The URL of a proxy as people write it, `host:port` alone included, in its one form. INVALID_ARGUMENT says what is wrong
 * with it: among others a user in it, since a password must not stand where it is shown.
 */
export function parseProxyUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const problem = problemOf(full);
  if (problem !== null) {
    // Not the text itself where a password may be in it.
    const shown = full.includes('@') ? 'the address of the proxy' : `the proxy ${JSON.stringify(text.slice(0, 200))}`;
    throw new LmsError('INVALID_ARGUMENT', `${shown} ${problem}`, { field: 'proxy', action: WHAT_IS_NEEDED });
  }
  return new URL(full).origin;
}

function problemOf(text: string): string | null {
  if (!URL.canParse(text)) return 'is no address';
  const url = new URL(text);
  if (url.protocol.startsWith('socks')) return 'is a SOCKS proxy, and only HTTP proxies (CONNECT) are supported';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return `begins with ${url.protocol}//`;
  if (url.username !== '' || url.password !== '') return 'has a user in it';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return 'has something behind the port';
  if (url.port === '0') return 'has port 0';
  return null;
}

/** As sockets want it: IPv6 without its brackets. The port is the scheme's own when the URL names none. */
export function hostOfUrl(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
}

/** `host:port`, IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
