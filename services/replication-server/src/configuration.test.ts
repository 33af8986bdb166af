import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parseConfiguration } from './configuration.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-configuration-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SHA = 'ab'.repeat(32);
const USUAL = ['--data-dir', '/data', '--listen', '127.0.0.1:1500', '--manager', 'https://m:443', '--ca-sha256', SHA];

test('options are read, IPv6 and a CA hash with colons too', () => {
  const colons = SHA.toUpperCase().match(/../g)?.join(':') ?? '';
  expect(
    parseConfiguration([...USUAL, '--listen', '[::1]:0', '--ca-sha256', colons, '--name', 'staging-1'], {}),
  ).toEqual({
    dataFolder: '/data',
    listen: { host: '::1', port: 0 },
    advertise: null,
    proxyProtocol: null,
    managerUrl: 'https://m:443',
    caSha256: SHA,
    bootstrapTokenFile: null,
    name: 'staging-1',
    proxy: null,
  });
});

test('what the command line leaves out may stand in the environment, which never wins', () => {
  const environment = {
    LMS_BLOCK_STREAM_LISTEN: '0.0.0.0:1',
    LMS_BLOCK_STREAM_ADDRESS: 'staging.example',
    LMS_BOOTSTRAP_TOKEN_FILE: '',
  };
  expect(parseConfiguration(USUAL, environment)).toMatchObject({
    listen: { host: '127.0.0.1', port: 1500 },
    advertise: { host: 'staging.example', port: 0 },
    bootstrapTokenFile: null,
  });
});

test('an address of IPv6 that agents connect to may have brackets and a port, or none of them', () => {
  const advertised = (text: string) => parseConfiguration([...USUAL, '--advertise', text], {}).advertise;
  expect(advertised('fd00::1')).toEqual({ host: 'fd00::1', port: 0 });
  expect(advertised('[fd00::1]')).toEqual({ host: 'fd00::1', port: 0 });
  expect(advertised('[fd00::1]:1501')).toEqual({ host: 'fd00::1', port: 1501 });
  expect(() => parseConfiguration([...USUAL, '--listen', 'fd00::1'], {})).toThrow('--listen');
});

test('a proxy is named by options or the environment; its password and its CA are files', () => {
  const password = join(folder, 'password');
  writeFileSync(password, 'pass word\n');
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, 'PEM');
  const environment = {
    LMS_PROXY_URL: 'https://proxy.example:3129',
    LMS_PROXY_USER: 'kim',
    LMS_PROXY_PASSWORD_FILE: password,
    LMS_NO_PROXY: 'a.example, fd00::/8',
    LMS_PROXY_CA_FILE: ca,
  };
  const proxy = {
    url: 'https://proxy.example:3129',
    username: 'kim',
    password: 'pass word',
    noProxy: ['a.example', 'fd00::/8'],
    caPem: 'PEM',
  };
  expect(parseConfiguration(USUAL, environment).proxy).toEqual(proxy);
  const options = ['--proxy', '[fd00::1]:3128', '--proxy-user', 'kim', '--proxy-password-file', password];
  expect(parseConfiguration([...USUAL, ...options], {}).proxy).toEqual({
    ...proxy,
    url: 'http://[fd00::1]:3128',
    noProxy: [],
    caPem: null,
  });
});

test.each([
  [['--proxy', 'socks5://proxy:1080'], 'SOCKS'],
  [['--proxy', 'http://kim:secret@proxy:3128'], 'has a user in it'],
  [['--proxy-user', 'kim'], '--proxy-user is given without --proxy'],
  [['--proxy', 'proxy:3128', '--proxy-user', 'kim'], '--proxy-password-file is missing'],
  [['--proxy', 'proxy:3128', '--no-proxy', '10.0.0.0/99'], '10.0.0.0/99'],
  [['--proxy', 'proxy:3128', '--proxy-ca', '/does/not/exist'], '/does/not/exist'],
])('a proxy that cannot be used is refused at the start: %j', (options, message) => {
  expect(() => parseConfiguration([...USUAL, ...options], {})).toThrow(message);
});

const wrong: readonly (readonly [string, readonly string[], string])[] = [
  ['a missing option', USUAL.slice(2), '--data-dir'],
  ['an unknown option', [...USUAL, '--nonsense'], 'The command line'],
  ['a port beyond 65535', [...USUAL, '--listen', 'host:65536'], '--listen'],
  ['an address without a port', [...USUAL, '--listen', 'host'], '--listen'],
  ['a hash that is too short', [...USUAL, '--ca-sha256', 'abcd'], '--ca-sha256'],
  ['a PROXY protocol that is optional', [...USUAL, '--proxy-protocol', 'optional'], '--proxy-protocol'],
  ['a name that is no DNS label', [...USUAL, '--name', 'A_b'], '--name'],
];

for (const [what, commandLine, field] of wrong) {
  test(`${what} is refused, with the option's name and the usage`, () => {
    let thrown: unknown = null;
    try {
      parseConfiguration(commandLine, {});
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      field,
      action: expect.stringContaining('--data-dir DIR'),
    });
  });
}
