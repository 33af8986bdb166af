import { expect, test } from '@jest/globals';
import { isBypassed, isLoopback, isNoProxyEntry, parseNoProxy } from './no-proxy.ts';

const BYPASSED: readonly (readonly [entry: string, host: string, port: number, bypassed: boolean])[] = [
  ['*', 'anything.example', 443, true],
  ['example.com', 'example.com', 443, true],
  ['example.com', 'www.EXAMPLE.com', 443, true],
  ['example.com', 'example.com.', 443, true],
  ['example.com.', 'example.com', 443, true],
  ['example.com', 'badexample.com', 443, false],
  ['.example.com', 'www.example.com', 443, true],
  ['.example.com', 'example.com', 443, false],
  ['*.example.com', 'a.b.example.com', 443, true],
  ['*.example.com', 'example.com', 443, false],
  ['example.com:8443', 'example.com', 8443, true],
  ['example.com:8443', 'example.com', 443, false],
  ['.example.com:443', 'www.example.com', 443, true],
  ['192.0.2.1', '192.0.2.1', 443, true],
  ['192.0.2.1', '192.0.2.10', 443, false],
  ['192.0.2.1:443', '192.0.2.1', 443, true],
  ['192.0.2.1:443', '192.0.2.1', 444, false],
  ['192.0.2.1', '::ffff:192.0.2.1', 443, true],
  ['192.0.2.1', '192.0.2.1.example.com', 443, false],
  ['192.0.2.0/24', '192.0.2.77', 443, true],
  ['192.0.2.0/24', '192.0.3.77', 443, false],
  ['192.0.2.0/24', '::ffff:192.0.2.77', 443, true],
  ['0.0.0.0/0', '203.0.113.9', 443, true],
  ['0.0.0.0/0', 'example.com', 443, false],
  ['fd00::1', 'fd00:0:0::1', 443, true],
  ['fd00::1', '[fd00::1]', 443, true],
  ['[fd00::1]', 'fd00::1', 443, true],
  ['[fd00::1]:443', 'fd00::1', 443, true],
  ['[fd00::1]:443', 'fd00::1', 444, false],
  ['fd00::/8', 'fdff::2', 443, true],
  ['fd00::/8', 'fe80::2', 443, false],
  ['fd00::/8', '192.0.2.1', 443, false],
  ['localhost', 'localhost', 443, true],
];

test.each(BYPASSED)('%j and %s:%d', (entry, host, port, bypassed) => {
  expect(isBypassed(host, port, [entry])).toBe(bypassed);
  expect(isBypassed(host, port, ['elsewhere.example', entry])).toBe(bypassed);
});

test('a list is parted by commas and spaces, and nothing is bypassed by an empty one', () => {
  expect(parseNoProxy(' a.example,.b.example  10.0.0.0/8,, ')).toEqual(['a.example', '.b.example', '10.0.0.0/8']);
  expect(parseNoProxy('')).toEqual([]);
  expect(isBypassed('a.example', 443, [])).toBe(false);
});

test.each([
  '10.0.0.0/33',
  'fd00::/129',
  '10.0.0/8',
  'example.com/24',
  '10.0.0.256',
  'http://example.com',
  'a b:1x',
  '[fd00::1',
  'example.com:0',
  'example.com:65536',
  '-',
])('%j is no entry, and says so', (entry) => {
  expect(isNoProxyEntry(entry)).toBe(false);
  if (entry.includes(' ')) return;
  expect(() => parseNoProxy(`good.example,${entry}`)).toThrow(entry);
});

test('the host itself is known by all of its names', () => {
  for (const host of [
    'localhost',
    'LOCALHOST',
    'a.localhost',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
  ])
    expect([host, isLoopback(host)]).toEqual([host, true]);
  for (const host of ['localhost.example', '128.0.0.1', '::2', '0.0.0.0']) expect(isLoopback(host)).toBe(false);
});
