/**
 * The environment variables that programs usually take their proxy from. There is no standard for them; like curl and Go:
 * `https_proxy` before `HTTPS_PROXY`, then `all_proxy`, `ALL_PROXY`; `no_proxy` before `NO_PROXY`; this host itself is never
 * reached by a proxy. Here a password may stand in the URL, since it has no other place there.
 */
import { LmsError } from '@lms/errors';
import { hostOfUrl, parseProxyUrl } from './settings.ts';
import type { ProxySettings } from './settings.ts';
import { isBypassed, isLoopback, isNoProxyEntry } from './no-proxy.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** null: the environment names no proxy, or none for this https:// URL. INVALID_ARGUMENT names the variable that is wrong. */
export function proxyFromEnvironment(targetUrl: string, environment: Environment): ProxySettings | null {
  const variable = firstSet(environment, ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']);
  if (variable === null) return null;
  const target = hostOfUrl(targetUrl);
  const list = firstSet(environment, ['no_proxy', 'NO_PROXY'])?.value ?? '';
  // Lists of other programs may have entries that nobody here understands; they mean nothing then, as everywhere.
  const noProxy = list.split(/[\s,]+/).filter(isNoProxyEntry);
  if (isLoopback(target.host) || isBypassed(target.host, target.port, noProxy)) return null;
  return { ...parseWithUser(variable), noProxy, caPem: null };
}

function firstSet(
  environment: Environment,
  names: readonly string[],
): { readonly name: string; readonly value: string } | null {
  for (const name of names) {
    const value = environment[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return null;
}

function parseWithUser(variable: {
  readonly name: string;
  readonly value: string;
}): Pick<ProxySettings, 'url' | 'username' | 'password'> {
  const { name, value } = variable;
  try {
    const full = value.includes('://') ? value : `http://${value}`;
    if (!URL.canParse(full)) return { url: parseProxyUrl(value), username: null, password: null };
    const url = new URL(full);
    const username = decodeURIComponent(url.username);
    const password = decodeURIComponent(url.password);
    url.username = '';
    url.password = '';
    const parsed = parseProxyUrl(url.href);
    return username === '' ? { url: parsed, username: null, password: null } : { url: parsed, username, password };
  } catch (thrown) {
    const why = thrown instanceof LmsError ? thrown.message : 'its user or password is not percent-encoded';
    throw new LmsError('INVALID_ARGUMENT', `the environment variable ${name} names no proxy that can be used: ${why}`, {
      field: name,
      action: 'Correct it, or name the proxy in another way; see docs/network-proxies.md.',
      cause: thrown,
    });
  }
}
