import { expect, test } from '@jest/globals';
import { certificateNames, formatHostPort, parseListenAddress } from './listen-address.ts';

test('addresses are read and written in the forms that people type', () => {
  expect(parseListenAddress('127.0.0.1:8443')).toEqual({ host: '127.0.0.1', port: 8443 });
  expect(parseListenAddress('[::1]:0')).toEqual({ host: '::1', port: 0 });
  expect(formatHostPort('::1', 443)).toBe('[::1]:443');
  expect(formatHostPort('manager.example', 443)).toBe('manager.example:443');
  for (const wrong of ['8443', 'host', 'host:99999', '::1:443', '']) expect(() => parseListenAddress(wrong)).toThrow();
});

test('the certificate names what was given and where it listens, and loopback when that is everywhere', () => {
  expect(certificateNames(['manager'], '127.0.0.1')).toEqual(['manager', '127.0.0.1']);
  expect(certificateNames([], '0.0.0.0')).toEqual(['localhost', '127.0.0.1', '::1']);
});
