import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import { Command } from 'commander';
import {
  addBlockStreamProxyOptions,
  addProxyOptions,
  readBlockStreamProxy,
  readManagerProxy,
} from './proxy-options.ts';
import type { BlockStreamProxyOptions, ProxyOptions } from './proxy-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
const password = file('password', 'pass word\n');
const ca = file('ca.pem', '-----BEGIN CERTIFICATE-----\n…');

function parse(...words: readonly string[]): ProxyOptions & BlockStreamProxyOptions {
  const command = addBlockStreamProxyOptions(addProxyOptions(new Command('test')));
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  command.parse(words, { from: 'user' });
  return command.opts();
}

test('nothing said, none wanted, and a proxy with all that belongs to it are three things', async () => {
  expect(await readManagerProxy(parse())).toBeUndefined();
  expect(await readManagerProxy(parse('--direct'))).toBeNull();
  const words = ['--proxy', 'Proxy.example:3128', '--proxy-user', 'kim', '--proxy-password-file', password];
  expect(await readManagerProxy(parse(...words, '--no-proxy', '.example,10.0.0.0/8', '--proxy-ca', ca))).toEqual({
    url: 'http://proxy.example:3128',
    username: 'kim',
    password: 'pass word',
    noProxy: ['.example', '10.0.0.0/8'],
    caPem: expect.stringContaining('BEGIN CERTIFICATE') as unknown,
  });
});

test('1500 has options of its own, which say nothing about 443', async () => {
  const options = parse('--block-stream-proxy', 'http://[fd00::1]:3128', '--block-stream-no-proxy', 'fd00::/8');
  expect(await readManagerProxy(options)).toBeUndefined();
  expect(await readBlockStreamProxy(options)).toMatchObject({ url: 'http://[fd00::1]:3128', noProxy: ['fd00::/8'] });
  expect(await readBlockStreamProxy(parse('--block-stream-direct'))).toBeNull();
});

test.each([
  ['socks5://proxy:1080', 'SOCKS'],
  ['http://kim:secret@proxy:3128', 'has a user in it'],
])('--proxy %s is wrong usage, and a password is not repeated', async (url, message) => {
  const thrown: unknown = await readManagerProxy(parse('--proxy', url)).catch((error: unknown) => error);
  expect(exitCodeOf(thrown)).toBe(2);
  expect(String(thrown)).toContain(message);
  expect(String(thrown)).not.toContain('secret');
});

test.each([
  ['--proxy-user', 'kim'],
  ['--proxy-ca', ca],
  ['--no-proxy', 'a.example'],
  ['--proxy-password-file', password],
  ['--proxy', 'proxy:1', '--proxy-user', 'kim'],
  ['--proxy', 'proxy:1', '--proxy-password-file', password],
  ['--proxy', 'proxy:1', '--proxy-user', 'k:m', '--proxy-password-file', password],
])('%j %j is wrong usage: exit 2', async (...words) => {
  const thrown: unknown = await readManagerProxy(parse(...words)).catch((error: unknown) => error);
  expect(exitCodeOf(thrown)).toBe(2);
});

test('both --proxy and --direct are refused, and a CA that is none too', async () => {
  expect(() => parse('--proxy', 'proxy:1', '--direct')).toThrow('--direct');
  const noCa = parse('--proxy', 'proxy:1', '--proxy-ca', password);
  await expect(readManagerProxy(noCa)).rejects.toMatchObject({ exit: 'failed' });
});
