import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { ConsoleSessions, endOf, isToBeRenewed } from './console-session.ts';

const KEY = { key: new Uint8Array(randomBytes(32)), trustDomain: 'lms-0123456789abcdef' };
const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 28, 12);
const API_TOKEN = 'lms-operator-token-of-the-test';

const sent = (setCookie: string): string => setCookie.split(';')[0] ?? '';

test('the cookie carries the token for its manager alone, and nobody can read it in it', async () => {
  const sessions = new ConsoleSessions(KEY);
  const cookie = await sessions.cookieOf(API_TOKEN, NOW, NOW);
  expect(cookie).toMatch(/^__Host-lms-session=[\w.-]+; Max-Age=3600; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  expect(Buffer.from(cookie, 'base64url').toString('latin1')).not.toContain(API_TOKEN);
  const header = `other=1; ${sent(cookie)}; last=2`;
  const session = { apiToken: API_TOKEN, signedInAtMilliseconds: NOW, expiresAtMilliseconds: NOW + HOUR };
  expect(await sessions.read(header, NOW)).toEqual(session);
  // Another gateway of the same manager.
  expect(await new ConsoleSessions(KEY).read(header, NOW)).toEqual(session);
  for (const other of [
    { ...KEY, key: new Uint8Array(randomBytes(32)) },
    { ...KEY, trustDomain: 'lms-other' },
  ]) {
    await expect(new ConsoleSessions(other).read(header, NOW)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  }
});

test('without a cookie there is no session; one that was changed or is over is refused', async () => {
  const sessions = new ConsoleSessions(KEY);
  for (const header of [undefined, '', 'other=1', '__Host-lms-session=']) {
    expect(await sessions.read(header, NOW)).toBe(null);
  }
  const cookie = sent(await sessions.cookieOf(API_TOKEN, NOW, NOW));
  const refused = { code: 'UNAUTHENTICATED' };
  // In the middle: not all bits of the last letter count.
  const middle = Math.floor(cookie.length / 2);
  const changed = `${cookie.slice(0, middle)}${cookie[middle] === 'A' ? 'B' : 'A'}${cookie.slice(middle + 1)}`;
  await expect(sessions.read(changed, NOW)).rejects.toMatchObject(refused);
  await expect(sessions.read(cookie, NOW + HOUR + 1_000)).rejects.toMatchObject(refused);
});

test('a session is renewed while it is used, and is over half a day after the sign-in all the same', async () => {
  const sessions = new ConsoleSessions(KEY);
  const first = await sessions.read(sent(await sessions.cookieOf(API_TOKEN, NOW, NOW)), NOW);
  if (first === null) throw new Error('no session');
  expect(isToBeRenewed(first, NOW + 0.4 * HOUR)).toBe(false);
  expect(isToBeRenewed(first, NOW + 0.6 * HOUR)).toBe(true);
  const late = NOW + 11.7 * HOUR;
  const last = await sessions.read(sent(await sessions.cookieOf(API_TOKEN, NOW, late)), late);
  if (last === null) throw new Error('no session');
  expect(last.expiresAtMilliseconds).toBe(endOf(NOW));
  expect(isToBeRenewed(last, late + 60_000)).toBe(false);
});
