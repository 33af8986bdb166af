import { expect, test } from '@jest/globals';
import { proxyFromEnvironment } from './environment.ts';

const MANAGER = 'https://manager.example:8443';
const NONE = { username: null, password: null, noProxy: [], caPem: null };

test('the usual variables, in the usual order; an empty one is not set', () => {
  const from = (environment: Record<string, string>) => proxyFromEnvironment(MANAGER, environment)?.url ?? null;
  expect(from({})).toBeNull();
  expect(from({ HTTP_PROXY: 'http://plain:3128' })).toBeNull();
  expect(from({ HTTPS_PROXY: 'http://upper:3128' })).toBe('http://upper:3128');
  expect(from({ HTTPS_PROXY: 'http://upper:3128', https_proxy: 'http://lower:3128' })).toBe('http://lower:3128');
  expect(from({ HTTPS_PROXY: 'http://upper:3128', https_proxy: '' })).toBe('http://upper:3128');
  expect(from({ ALL_PROXY: 'http://all:3128' })).toBe('http://all:3128');
  expect(proxyFromEnvironment(MANAGER, { HTTPS_PROXY: 'proxy:3128' })).toEqual({ ...NONE, url: 'http://proxy:3128' });
});

test('user and password may stand in it, percent-encoded', () => {
  const proxy = proxyFromEnvironment(MANAGER, { HTTPS_PROXY: 'http://us%40er:p%3Aw@proxy:3128/' });
  expect(proxy).toEqual({ ...NONE, url: 'http://proxy:3128', username: 'us@er', password: 'p:w' });
});

test('NO_PROXY and this host itself go without; what nobody understands in it means nothing', () => {
  const environment = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'a/b/c, .example ,fd00::/8' };
  expect(proxyFromEnvironment(MANAGER, environment)).toBeNull();
  expect(proxyFromEnvironment('https://[fd00::1]', environment)).toBeNull();
  for (const url of ['https://127.0.0.1:8443', 'https://localhost', 'https://[::1]:443'])
    expect(proxyFromEnvironment(url, { HTTPS_PROXY: 'http://proxy:3128' })).toBeNull();
  expect(proxyFromEnvironment('https://other.test', environment)?.noProxy).toEqual(['.example', 'fd00::/8']);
});

test.each(['socks5://proxy:1080', 'http://us%er@proxy:3128', 'http://'])(
  'one that cannot be used is an error that names the variable: %j',
  (value) => {
    expect(() => proxyFromEnvironment(MANAGER, { https_proxy: value })).toThrow('https_proxy');
  },
);
