/** IP networks as firewalls want them: canonical, one family each, and with no bit set behind the prefix. */
import { isIP, isIPv4 } from 'node:net';
import { LmsError } from '@lms/errors';

export type Family = 4 | 6;

export interface Network {
  readonly family: Family;
  /** The first address, in its shortest form. */
  readonly address: string;
  readonly prefixLength: number;
}

const BITS = { 4: 32, 6: 128 } as const;
const GROUP_BITS = 16n;

export const ANYWHERE: readonly Network[] = [
  { family: 4, address: '0.0.0.0', prefixLength: 0 },
  { family: 6, address: '::', prefixLength: 0 },
];

/** `10.0.0.0/8`, `198.51.100.7`, `2001:db8::/32`; `field` is what an error names. Bits behind the prefix are cut off. */
export function parseNetwork(text: string, field: string): Network {
  const [address = '', prefix, ...rest] = text.trim().replaceAll(/[[\]]/g, '').split('/');
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || rest.length > 0) throw notANetwork(text, field);
  const prefixLength = prefix === undefined ? BITS[family] : Number(prefix);
  if (!/^\d{1,3}$/.test(prefix ?? '0') || prefixLength > BITS[family]) throw notANetwork(text, field);
  const behind = BigInt(BITS[family] - prefixLength);
  return { family, address: formatAddress((numberOf(address) >> behind) << behind, family), prefixLength };
}

/** Of an address alone. */
export function networkOf(address: string): Network {
  return parseNetwork(address, 'address');
}

function notANetwork(text: string, field: string): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${text} is no network`, {
    field,
    action: 'Write it as 198.51.100.0/24 or 2001:db8::/32; a single address needs no prefix.',
  });
}

export function formatNetwork({ address, prefixLength }: Network): string {
  return `${address}/${prefixLength}`;
}

export function isSingleAddress({ family, prefixLength }: Network): boolean {
  return prefixLength === BITS[family];
}

export function isEverything({ prefixLength }: Network): boolean {
  return prefixLength === 0;
}

/** Whether all of `inner` is in `outer`. */
export function contains(outer: Network, inner: Network): boolean {
  if (outer.family !== inner.family || outer.prefixLength > inner.prefixLength) return false;
  const behind = BigInt(BITS[outer.family] - outer.prefixLength);
  return numberOf(outer.address) >> behind === numberOf(inner.address) >> behind;
}

const LOOPBACK = ['127.0.0.0/8', '::1', '0.0.0.0', '::'].map((text) => parseNetwork(text, 'loopback'));
const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
].map((text) => parseNetwork(text, 'private'));

/** No other machine gets there. */
export function isLoopback(network: Network): boolean {
  return LOOPBACK.some((loopback) => contains(loopback, network));
}

/** RFC 1918, RFC 6598, link-local and unique local addresses: not routed between networks of different owners. */
export function isPrivate(network: Network): boolean {
  return PRIVATE.some((range) => contains(range, network));
}

/** Without repetitions and without what is inside of another; in the order of the first. */
export function distinctNetworks(networks: readonly Network[]): readonly Network[] {
  return networks.filter((network, index) =>
    networks.every((other, position) => {
      if (position === index || !contains(other, network)) return true;
      return contains(network, other) && position > index;
    }),
  );
}

function numberOf(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((number, part) => (number << 8n) | BigInt(part), 0n);
  // An address of IPv4 in one of IPv6 is two groups.
  const groups = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_whole, ...parts: string[]) => {
    const [first = 0, second = 0, third = 0, fourth = 0] = parts.slice(0, 4).map(Number);
    return `${((first << 8) | second).toString(16)}:${((third << 8) | fourth).toString(16)}`;
  });
  const [head = [], tail] = groups.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  const all = tail === undefined ? head : [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  return all.reduce((number, group) => (number << GROUP_BITS) | BigInt(`0x${group}`), 0n);
}

function formatAddress(number: bigint, family: Family): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((number >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((number >> (GROUP_BITS * BigInt(7 - index))) & 0xffffn).toString(16),
  );
  // The URL parser knows the shortest form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
