import { expect, test } from '@jest/globals';
import { ProxySettings, formatAuthority, hostOfUrl, parseProxyUrl } from './settings.ts';

test('a proxy has one form, however it is written', () => {
  expect(parseProxyUrl('http://proxy.example:3128')).toBe('http://proxy.example:3128');
  expect(parseProxyUrl('HTTPS://Proxy.example:3129/')).toBe('https://proxy.example:3129');
  expect(parseProxyUrl('proxy.example:3128')).toBe('http://proxy.example:3128');
  expect(parseProxyUrl('192.0.2.1:8080')).toBe('http://192.0.2.1:8080');
  expect(parseProxyUrl('http://[FD00::1]:3128')).toBe('http://[fd00::1]:3128');
  expect(parseProxyUrl('[fd00::1]:3128')).toBe('http://[fd00::1]:3128');
  expect(parseProxyUrl('http://proxy.example')).toBe('http://proxy.example');
});

test.each([
  ['', 'no address'],
  ['http://', 'no address'],
  ['fd00::1:3128', 'no address'],
  ['proxy:99999', 'no address'],
  ['proxy:0', 'port 0'],
  ['socks5://proxy:1080', 'SOCKS'],
  ['ftp://proxy', 'ftp:'],
  ['http://proxy:3128/path', 'behind the port'],
  ['http://proxy:3128?a', 'behind the port'],
])('%j is refused with its reason', (text, reason) => {
  expect(() => parseProxyUrl(text)).toThrow(reason);
});

test.each(['http://user:secret@proxy:3128', 'user:secret@proxy:3128', 'http://user:secret@proxy:3128:1'])(
  'a password in the address is refused and not repeated: %j',
  (text) => {
    let message = '';
    try {
      parseProxyUrl(text);
    } catch (thrown) {
      message = (thrown as Error).message;
    }
    expect(message).not.toBe('');
    expect(message).not.toContain('secret');
  },
);

test('host and port of a URL are as sockets want them, and back', () => {
  expect(hostOfUrl('https://proxy.example')).toEqual({ host: 'proxy.example', port: 443 });
  expect(hostOfUrl('http://proxy.example')).toEqual({ host: 'proxy.example', port: 80 });
  expect(hostOfUrl('http://[fd00::1]:3128')).toEqual({ host: 'fd00::1', port: 3128 });
  expect([formatAuthority('fd00::1', 443), formatAuthority('a.example', 443)]).toEqual([
    '[fd00::1]:443',
    'a.example:443',
  ]);
});

test('settings are checked as a whole', () => {
  const good = {
    url: 'http://proxy:3128',
    username: 'user',
    password: 'pass word',
    noProxy: ['.example'],
    caPem: null,
  };
  expect(ProxySettings.parse(good)).toEqual(good);
  expect(ProxySettings.safeParse({ ...good, username: null, password: null }).success).toBe(true);
  for (const bad of [
    { url: 'http://u:p@proxy:3128' },
    { url: 'proxy:3128' },
    { password: null },
    { username: null },
    { username: 'a:b' },
    { username: '' },
    { password: 'a\r\nb' },
    { noProxy: ['10.0.0.0/99'] },
  ])
    expect([bad, ProxySettings.safeParse({ ...good, ...bad }).success]).toEqual([bad, false]);
});
