/**
 * The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a router that
 * passes on a TCP stream says first, so that the one behind it knows where the stream came from.
 *
 * Situation: the router does not end TLS, and to the replication server every connection comes from the router. Mechanism:
 * a header before the first byte of TLS. Its bytes come from the network before anybody has proven anything, so the
 * reading is strict and bounded: a length is looked at before its bytes are waited for, and everything that is not exactly
 * such a header of TCP is refused; nothing is guessed. Special case: LOCAL and UNKNOWN, by which a router speaks for
 * itself (its checks). Extensions (TLVs) must be well-formed and are not used, their checksum included: what the
 * address is good for is logs. Failure: PROTOCOL_VIOLATION, and the connection ends.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { LmsError } from '@lms/errors';

/** As the protocol's text says: the longest line of version 1, with its end. */
const VERSION_1_BYTES_MAX = 107;
/** Two addresses of IPv6 and some hundred bytes of extensions; the protocol's own bound would be 64 KiB. */
export const PROXY_HEADER_BYTES_MAX = 1_024;

const VERSION_1_BEGIN = Buffer.from('PROXY ', 'latin1');
const VERSION_2_BEGIN = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const VERSION_2_FIXED_BYTES = 16;
const TLV_FIXED_BYTES = 3;

/** How long source address, destination address and both ports are, by what version 2 calls family and transport. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 4],
  [0x21, 16],
]);

export interface ProxyHeader {
  readonly lengthBytes: number;
  /** Null: the router speaks for itself. */
  readonly source: { readonly address: string; readonly port: number } | null;
}

/** Null: the header goes on in bytes that have not come yet, at most up to `PROXY_HEADER_BYTES_MAX`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | null {
  if (begins(bytes, VERSION_2_BEGIN)) return parseVersion2(bytes);
  if (begins(bytes, VERSION_1_BEGIN)) return parseVersion1(bytes);
  throw refusal('does not begin with one');
}

function begins(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.subarray(0, length).equals(expected.subarray(0, length));
}

function parseVersion1(bytes: Buffer): ProxyHeader | null {
  const end = bytes.subarray(0, VERSION_1_BYTES_MAX).indexOf('\r\n', 0, 'latin1');
  if (end === -1) {
    if (bytes.length >= VERSION_1_BYTES_MAX) throw refusal(`has no end within ${VERSION_1_BYTES_MAX} bytes`);
    return null;
  }
  const lengthBytes = end + 2;
  const [, protocol, source, destination, sourcePort, destinationPort, ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  if (protocol === 'UNKNOWN') return { lengthBytes, source: null };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : null;
  if (isAddress === null || rest.length > 0) throw refusal('is not of TCP');
  if (!isAddress(source ?? '') || !isAddress(destination ?? '')) throw refusal('names no address');
  parsePort(destinationPort);
  return { lengthBytes, source: { address: source ?? '', port: parsePort(sourcePort) } };
}

function parsePort(text: string | undefined): number {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65_535) throw refusal('names no port');
  return Number(text);
}

function parseVersion2(bytes: Buffer): ProxyHeader | null {
  // Each byte is judged as soon as it is there: a stream that can become no header is not waited for.
  const versionAndCommand = bytes[12];
  const family = bytes[13];
  if (versionAndCommand !== undefined && versionAndCommand >> 4 !== 2) throw refusal('is of an unknown version');
  const command = (versionAndCommand ?? 0) & 0x0f;
  if (command > 1) throw refusal('has an unknown command');
  if (bytes.length < VERSION_2_FIXED_BYTES || family === undefined) return null;
  const lengthBytes = VERSION_2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (lengthBytes > PROXY_HEADER_BYTES_MAX) throw refusal(`is longer than ${PROXY_HEADER_BYTES_MAX} bytes`);
  const addressBytes = ADDRESS_BYTES.get(family) ?? 0;
  if (addressBytes === 0 && family !== 0) throw refusal('is not of TCP');
  const extensionsAt = VERSION_2_FIXED_BYTES + (addressBytes === 0 ? 0 : 2 * addressBytes + 4);
  if (extensionsAt > lengthBytes) throw refusal('is too short for its addresses');
  if (bytes.length < lengthBytes) return null;
  // The checks of a router may fill the rest of its own header as they like.
  if (command === 0) return { lengthBytes, source: null };
  requireWellFormed(bytes.subarray(extensionsAt, lengthBytes));
  if (addressBytes === 0) return { lengthBytes, source: null };
  const address = formatAddress(bytes.subarray(VERSION_2_FIXED_BYTES, VERSION_2_FIXED_BYTES + addressBytes));
  return { lengthBytes, source: { address, port: bytes.readUInt16BE(VERSION_2_FIXED_BYTES + 2 * addressBytes) } };
}

function requireWellFormed(extensions: Buffer): void {
  let at = 0;
  while (at + TLV_FIXED_BYTES <= extensions.length) at += TLV_FIXED_BYTES + extensions.readUInt16BE(at + 1);
  if (at !== extensions.length) throw refusal('has an extension that is cut off');
}

/** As logs have it: IPv6 in its short form, which URLs have too. */
function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function refusal(problem: string): LmsError {
  return new LmsError('PROTOCOL_VIOLATION', `the PROXY header ${problem}`, {
    field: 'PROXY header',
    action: 'Connect through the router of the block stream, and let it send the PROXY protocol, version 1 or 2.',
  });
}
