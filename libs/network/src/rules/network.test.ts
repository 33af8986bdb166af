import { expect, test } from '@jest/globals';
import { contains, distinctNetworks, formatNetwork, isLoopback, isPrivate, parseNetwork } from './network.ts';

const network = (text: string) => parseNetwork(text, '--source');
const canonical = (text: string) => formatNetwork(network(text));

test.each([
  ['198.51.100.7', '198.51.100.7/32'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:DB8:0:0::1', '2001:db8::1/128'],
  ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
  ['::ffff:198.51.100.7/112', '::ffff:c633:0/112'],
  ['[2001:db8::1]', '2001:db8::1/128'],
])('%s is the network %s', (text, expected) => {
  expect(canonical(text)).toBe(expected);
});

test.each(['', 'manager.example.com', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0', '::/129', '10.0.0.0/-1'])(
  'what is no network is said so, with the option that it came by: "%s"',
  (text) => {
    expect(() => network(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: '--source', message: `${text} is no network` }),
    );
  },
);

test('a network is in another of its own family only', () => {
  expect(contains(network('10.0.0.0/8'), network('10.9.0.0/16'))).toBe(true);
  expect(contains(network('10.9.0.0/16'), network('10.0.0.0/8'))).toBe(false);
  expect(contains(network('0.0.0.0/0'), network('::1'))).toBe(false);
  expect(contains(network('fd00::/8'), network('fd12::1'))).toBe(true);
});

test('what is inside of another network, or twice there, is not said again', () => {
  const all = ['10.1.0.0/16', '10.0.0.0/8', '192.0.2.1', '192.0.2.1/32', '::/0', '::1'].map(network);
  expect(distinctNetworks(all).map(formatNetwork)).toEqual(['10.0.0.0/8', '192.0.2.1/32', '::/0']);
});

test('what no other machine reaches, and what other networks do not reach', () => {
  expect(['127.0.0.1', '127.8.0.0/16', '::1', '0.0.0.0'].map(network).every(isLoopback)).toBe(true);
  expect(['198.51.100.1', '10.0.0.1', '::2'].map(network).some(isLoopback)).toBe(false);
  expect(['10.0.0.1', '172.31.0.0/16', '192.168.1.0/24', 'fd00::1', 'fe80::1'].map(network).every(isPrivate)).toBe(
    true,
  );
  expect(['172.32.0.0/16', '198.51.100.1', '2001:db8::1'].map(network).some(isPrivate)).toBe(false);
});
