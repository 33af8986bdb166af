import { expect, test } from '@jest/globals';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { clientAddress } from './client-address.ts';

function requestOf(socket: Socket, forwarded?: string): IncomingMessage {
  Object.defineProperty(socket, 'remoteAddress', { value: '10.0.0.7' });
  const request = new IncomingMessage(socket);
  if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded;
  return request;
}

const plainly = (forwarded: string | undefined, hops: number): string =>
  clientAddress(requestOf(new Socket(), forwarded), hops);

test('behind one proxy the last entry counts, and what the client wrote before it does not', () => {
  expect(plainly('192.0.2.1', 1)).toBe('192.0.2.1');
  expect(plainly('198.51.100.99, 192.0.2.1', 1)).toBe('192.0.2.1');
  expect(plainly('198.51.100.99,203.0.113.5, 192.0.2.1', 2)).toBe('203.0.113.5');
});

test('an entry may carry a port, and may be of IPv6', () => {
  expect(plainly('192.0.2.1:4711', 1)).toBe('192.0.2.1');
  expect(plainly('2001:db8::1', 1)).toBe('2001:db8::1');
  expect(plainly('[2001:db8::1]:4711', 1)).toBe('2001:db8::1');
});

test.each([undefined, '', 'unknown', 'a.b.c.d', '192.0.2.1,', '999.0.0.1', '[]'])(
  'without an address, as in %p, it is whoever connected',
  (forwarded) => expect(plainly(forwarded, 1)).toBe('10.0.0.7'),
);

test('fewer entries than proxies, and no proxy at all: nothing is believed', () => {
  expect(plainly('192.0.2.1', 2)).toBe('10.0.0.7');
  expect(plainly('192.0.2.1', 0)).toBe('10.0.0.7');
});

test('on a connection with TLS no header is believed', () => {
  expect(clientAddress(requestOf(new TLSSocket(new Socket()), '192.0.2.1'), 1)).toBe('10.0.0.7');
});
