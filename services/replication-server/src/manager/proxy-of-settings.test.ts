import { expect, test } from '@jest/globals';
import { proxyOfSettings } from './proxy-of-settings.ts';

const told = { url: 'http://Proxy.example:3128/', username: 'kim', password: 'secret', noProxy: ['.a'], caPem: null };

test('what the settings say becomes what is used, in its one form', () => {
  expect(proxyOfSettings(null)).toBeNull();
  expect(proxyOfSettings(told)).toEqual({ ...told, url: 'http://proxy.example:3128' });
  expect(proxyOfSettings({ ...told, password: null })).toMatchObject({ username: 'kim', password: '' });
  expect(proxyOfSettings({ ...told, username: null })).toMatchObject({ username: null, password: null });
});

test.each([
  [{ url: 'http://proxy:3128/path' }, 'behind the port'],
  [{ noProxy: ['10.0.0.0/99'] }, '10.0.0.0/99'],
  [{ username: 'a:b' }, 'must have no colon'],
])('what cannot be used is an error, and not half of it: %j', (change, message) => {
  expect(() => proxyOfSettings({ ...told, ...change })).toThrow(message);
});
