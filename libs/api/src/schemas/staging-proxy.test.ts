import { expect, test } from '@jest/globals';
import { InstallationSettingsChange } from './settings.ts';

const accepts = (change: object): boolean =>
  InstallationSettingsChange.safeParse({ stagingProxy: { url: 'http://proxy.example:3128', ...change } }).success;

test('a proxy of the staging area that no replication server could use is refused where it is set', () => {
  expect(accepts({})).toBe(true);
  expect(
    accepts({ username: 'kim', password: 'pass word', noProxy: ['.example', '10.0.0.0/8', '[fd00::1]:443'] }),
  ).toBe(true);
  expect(accepts({ url: 'https://[fd00::1]:3129' })).toBe(true);
  for (const change of [
    { url: 'http://kim:secret@proxy.example:3128' },
    { url: 'http://proxy.example:3128/path' },
    { url: 'socks5://proxy.example:1080' },
    { username: 'k:m' },
    { noProxy: ['10.0.0.0/99'] },
  ])
    expect([change, accepts(change)]).toEqual([change, false]);
});
