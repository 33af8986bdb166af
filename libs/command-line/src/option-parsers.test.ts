import { expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import {
  collect,
  parseHostAndPort,
  parseHttpsUrl,
  parseOutputFormat,
  parseSha256,
  parseWholeNumber,
} from './option-parsers.ts';

test('an address is host and port, with brackets around IPv6, and port 0 is allowed', () => {
  expect(parseHostAndPort('127.0.0.1:8443')).toEqual({ host: '127.0.0.1', port: 8443 });
  expect(parseHostAndPort('[::1]:0')).toEqual({ host: '::1', port: 0 });
  expect(parseHostAndPort(':1500')).toEqual({ host: '0.0.0.0', port: 1500 });
  for (const text of ['127.0.0.1', '::1:80', 'host:65536', 'host:', 'http://host:1', 'host:1x', '']) {
    expect(() => parseHostAndPort(text)).toThrow(InvalidArgumentError);
  }
});

test('a whole number stays in its range', () => {
  const parse = parseWholeNumber(1, 10);
  expect([parse('1'), parse('10')]).toEqual([1, 10]);
  for (const text of ['0', '11', '1.5', '-1', '', '1e1', ' 1']) expect(() => parse(text)).toThrow(InvalidArgumentError);
});

test('a SHA-256 is 64 hexadecimal digits, with or without colons', () => {
  const digits = 'AB'.repeat(32);
  expect(parseSha256(digits)).toBe('ab'.repeat(32));
  expect(parseSha256(digits.match(/../g)?.join(':') ?? '')).toBe('ab'.repeat(32));
  for (const text of ['', 'ab', `${digits}0`, 'z'.repeat(64)])
    expect(() => parseSha256(text)).toThrow(InvalidArgumentError);
});

test('only https addresses are taken for a manager', () => {
  expect(parseHttpsUrl('https://manager.example:8443/')).toBe('https://manager.example:8443');
  for (const text of ['http://manager', 'manager:8443', 'https://user@manager', 'https://manager/?a=b', '']) {
    expect(() => parseHttpsUrl(text)).toThrow(InvalidArgumentError);
  }
});

test('forms of results are a closed set, and repeated options gather in order', () => {
  expect(parseOutputFormat('yaml')).toBe('yaml');
  expect(() => parseOutputFormat('xml')).toThrow(InvalidArgumentError);
  expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
});
