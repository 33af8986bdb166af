/**
 * What is reached without the proxy: the list that is usually called NO_PROXY.
 *
 * There is no standard for it, so the forms are those that curl and Go agree on:
 *
 *     *                        everything
 *     example.com              that host, and all below it
 *     .example.com  *.example.com   what is below, not the host itself
 *     192.0.2.1  fd00::1  [fd00::1]   an address, however it is written (IPv4 within IPv6 too)
 *     192.0.2.0/24  fd00::/8   a network
 *     …:443                    any of them (networks apart), on that port only
 *
 * Names are not looked up: a host that is named by its name is not found in a network of the list.
 */
import { BlockList, isIP } from 'node:net';
import { LmsError } from '@lms/errors';

interface Entry {
  /** In lower case, without brackets and without the dot at its end. */
  readonly host: string;
  readonly port: number | null;
  readonly prefixLength: number | null;
}

/** Parts a list as people write it, by commas or spaces. INVALID_ARGUMENT names the first entry that is none. */
export function parseNoProxy(text: string): readonly string[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  const wrong = entries.find((entry) => !isNoProxyEntry(entry));
  if (wrong === undefined) return entries;
  throw new LmsError('INVALID_ARGUMENT', `${JSON.stringify(wrong)} is no host, address or network`, {
    field: 'noProxy',
    action:
      'Give names (example.com, .example.com), addresses, networks (10.0.0.0/8, fd00::/8) or *, with commas between.',
  });
}

export function isNoProxyEntry(text: string): boolean {
  return parseEntry(text) !== null;
}

/** Whether `host` (a name or an address, IPv6 with brackets or without) is reached without the proxy. What is no entry is left out. */
export function isBypassed(host: string, port: number, noProxy: readonly string[]): boolean {
  const name = bareHost(host);
  return noProxy.some((text) => {
    const entry = parseEntry(text);
    return entry !== null && (entry.port === null || entry.port === port) && isOf(name, entry);
  });
}

/** The host itself: never behind a proxy that is not on it. */
export function isLoopback(host: string): boolean {
  const name = bareHost(host);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return (
    isOf(name, { host: '127.0.0.0', port: null, prefixLength: 8 }) ||
    isOf(name, { host: '::1', port: null, prefixLength: null })
  );
}

function isOf(name: string, entry: Entry): boolean {
  if (entry.host === '*') return true;
  if (isIP(entry.host) !== 0) return isAddressOf(name, entry);
  if (isIP(name) !== 0) return false;
  const suffix = entry.host.replace(/^\*/, '');
  return suffix.startsWith('.') ? name.endsWith(suffix) : name === suffix || name.endsWith(`.${suffix}`);
}

/** By value, and IPv4 also where it is written within IPv6: `::ffff:192.0.2.1`. */
function isAddressOf(name: string, { host, prefixLength }: Entry): boolean {
  const family = familyOf(name);
  if (family === null) return false;
  const list = new BlockList();
  const ofEntry = isIP(host) === 6 ? 'ipv6' : 'ipv4';
  if (prefixLength === null) list.addAddress(host, ofEntry);
  else list.addSubnet(host, prefixLength, ofEntry);
  return list.check(name, family);
}

function familyOf(host: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(host);
  if (version === 0) return null;
  return version === 6 ? 'ipv6' : 'ipv4';
}

function bareHost(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

function parseEntry(text: string): Entry | null {
  const network = /^\[?([0-9a-fA-F:.]+)\]?\/(\d{1,3})$/.exec(text);
  if (network !== null) {
    const [, address = '', length = ''] = network;
    const version = isIP(address);
    if (version === 0 || Number(length) > (version === 4 ? 32 : 128)) return null;
    return { host: address, port: null, prefixLength: Number(length) };
  }
  if (isIP(text) !== 0) return { host: text.toLowerCase(), port: null, prefixLength: null };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+?))\.?(?::(\d{1,5}))?$/.exec(text);
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  const port = match?.[3] === undefined ? null : Number(match[3]);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  if (match?.[1] !== undefined && isIP(host) !== 6) return null;
  const isHost = host === '*' || isIP(host) !== 0 || /^(?:\*?\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/.test(host);
  // What ends in a number is an address (or a mistake in one), never a name.
  if (!isHost || (isIP(host) === 0 && /(?:^|\.)\d+$/.test(host))) return null;
  return { host, port, prefixLength: null };
}
