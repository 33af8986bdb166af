import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseProxyHeader, PROXY_HEADER_BYTES_MAX, type ProxyHeader } from './proxy-header.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function version2(
  {
    version = 2,
    command = 1,
    family = 0x11,
    length,
  }: Partial<Record<'version' | 'command' | 'family' | 'length', number>>,
  rest: Buffer,
): Buffer {
  const fixed = Buffer.alloc(4);
  fixed.writeUInt8((version << 4) | command, 0);
  fixed.writeUInt8(family, 1);
  fixed.writeUInt16BE(length ?? rest.length, 2);
  return Buffer.concat([SIGNATURE, fixed, rest]);
}

const ADDRESSES_4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 7, 0x12, 0x67, 0x05, 0xdc]);
const ADDRESSES_6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from([0x12, 0x67, 0x05, 0xdc]),
]);
const EXTENSION = Buffer.from([0x04, 0x00, 0x02, 0xff, 0xff]);

const ACCEPTED: readonly (readonly [string, Buffer, ProxyHeader['source']])[] = [
  [
    'version 1, IPv4',
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4711 1500\r\n'),
    { address: '192.0.2.1', port: 4711 },
  ],
  [
    'version 1, IPv6',
    Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 4711 1500\r\n'),
    { address: '2001:db8::1', port: 4711 },
  ],
  ['version 1, UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['version 1, UNKNOWN with what is to be ignored', Buffer.from('PROXY UNKNOWN ffff:f... 65535\r\n'), null],
  ['version 2, IPv4', version2({}, ADDRESSES_4), { address: '192.0.2.1', port: 4711 }],
  ['version 2, IPv6', version2({ family: 0x21 }, ADDRESSES_6), { address: '2001:db8::1', port: 4711 }],
  [
    'version 2 with an extension',
    version2({}, Buffer.concat([ADDRESSES_4, EXTENSION])),
    { address: '192.0.2.1', port: 4711 },
  ],
  ['version 2, LOCAL', version2({ command: 0, family: 0 }, Buffer.alloc(0)), null],
  ['version 2, LOCAL with an address', version2({ command: 0 }, ADDRESSES_4), null],
  ['version 2, no family', version2({ family: 0 }, Buffer.alloc(0)), null],
];

test.each(ACCEPTED)('%s is read, whatever follows, and never before it is whole', (_name, bytes, source) => {
  const expected = { lengthBytes: bytes.length, source };
  expect(parseProxyHeader(bytes)).toEqual(expected);
  expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from('\x16\x03\x01')]))).toEqual(expected);
  for (let length = 0; length < bytes.length; length += 1)
    expect(parseProxyHeader(bytes.subarray(0, length))).toBeNull();
});

const REFUSED: readonly (readonly [string, Buffer])[] = [
  ['a ClientHello', Buffer.from('16030106fb010006f70303', 'hex')],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['lower case', Buffer.from('proxy TCP4 192.0.2.1 198.51.100.7 4711 1500\r\n')],
  ['two spaces', Buffer.from('PROXY TCP4  192.0.2.1 198.51.100.7 4711 1500\r\n')],
  ['a leading zero', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 04711 1500\r\n')],
  ['a port that is none', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4711 65536\r\n')],
  ['a missing port', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4711\r\n')],
  ['one word more', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4711 1500 x\r\n')],
  ['an address of the other family', Buffer.from('PROXY TCP4 2001:db8::1 198.51.100.7 4711 1500\r\n')],
  ['a host name', Buffer.from('PROXY TCP4 localhost 198.51.100.7 4711 1500\r\n')],
  ['UDP', Buffer.from('PROXY UDP4 192.0.2.1 198.51.100.7 4711 1500\r\n')],
  ['a line without an end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['a line that ends too late', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}\r\n`)],
  ['version 3', version2({ version: 3 }, ADDRESSES_4)],
  ['an unknown command', version2({ command: 2 }, ADDRESSES_4)],
  ['UDP in version 2', version2({ family: 0x12 }, ADDRESSES_4)],
  ['a Unix socket', version2({ family: 0x31 }, Buffer.alloc(216))],
  ['addresses that are cut off', version2({ length: 11 }, ADDRESSES_4)],
  ['an extension that is cut off', version2({}, Buffer.concat([ADDRESSES_4, EXTENSION.subarray(0, 4)]))],
  ['half an extension', version2({}, Buffer.concat([ADDRESSES_4, EXTENSION.subarray(0, 2)]))],
  ['more than is read, announced and not sent', version2({ length: PROXY_HEADER_BYTES_MAX }, ADDRESSES_4)],
];

test.each(REFUSED)('%s is refused', (_name, bytes) => {
  expect(() => parseProxyHeader(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
});

/** What the one who reads from the network does: more bytes as long as the answer is null. */
function readByByte(bytes: Buffer): {
  readonly read: number;
  readonly outcome: ProxyHeader | 'refused' | 'unfinished';
} {
  for (let read = 1; read <= bytes.length; read += 1) {
    try {
      const header = parseProxyHeader(bytes.subarray(0, read));
      if (header !== null) return { read, outcome: header };
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
      return { read, outcome: 'refused' };
    }
  }
  return { read: bytes.length, outcome: 'unfinished' };
}

const anyBytes = fc.uint8Array({ maxLength: 2_048 }).map((bytes) => Buffer.from(bytes));
const goodHeaders = fc.constantFrom(...ACCEPTED.map(([, bytes]) => bytes));

test('whatever comes, it is decided within the bound, and by nothing else than an answer or a violation', () => {
  const begins = fc.constantFrom(Buffer.alloc(0), SIGNATURE, Buffer.from('PROXY '), Buffer.from('PROXY TCP4 '));
  fc.assert(
    fc.property(begins, anyBytes, (begin, rest) => {
      const bytes = Buffer.concat([begin, rest]);
      const { read, outcome } = readByByte(bytes);
      expect(read).toBeLessThanOrEqual(PROXY_HEADER_BYTES_MAX);
      if (outcome === 'unfinished') expect(bytes.length).toBeLessThan(PROXY_HEADER_BYTES_MAX);
    }),
    { numRuns: 2_000 },
  );
});

test('a good header with some bytes changed is read to its end or refused, and never reads into what follows', () => {
  const changes = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(goodHeaders, changes, (header, changed) => {
      const bytes = Buffer.concat([header, Buffer.alloc(PROXY_HEADER_BYTES_MAX, 0x16)]);
      for (const [at, value] of changed) bytes.writeUInt8(value, at % header.length);
      const { read, outcome } = readByByte(bytes);
      expect(outcome).not.toBe('unfinished');
      if (typeof outcome === 'object') expect(outcome.lengthBytes).toBe(read);
    }),
    { numRuns: 2_000 },
  );
});
