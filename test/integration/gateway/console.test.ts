/** The console as files and a cookie: what a browser is told, and what another site's page cannot do with it. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestGateway, type Answer } from '../harness/gateway.ts';

let gateway: TestGateway;
let cookie: string;
const CONSOLE = { 'lms-console': '1', 'sec-fetch-site': 'same-origin' };

beforeAll(async () => {
  gateway = await TestGateway.start();
  cookie = cookieOf(await gateway.send('POST', '/v1/session', { body: { apiToken: gateway.apiToken } }));
});

afterAll(async () => gateway[Symbol.asyncDispose]());

function cookieOf({ headers }: Answer): string {
  return String(headers['set-cookie']).split(';')[0] ?? '';
}

test('a cookie lets an operator in like the token itself, and says who that is', async () => {
  const session = await gateway.send('GET', '/v1/session', { headers: { cookie } });
  expect(session.body).toMatchObject({ name: 'test' });
  expect((await gateway.send('GET', '/v1/machines', { headers: { cookie } })).status).toBe(200);
  expect((await gateway.send('GET', '/v1/machines')).status).toBe(401);
  const broken = { cookie: `${cookie.slice(0, -4)}AAAA` };
  expect((await gateway.send('GET', '/v1/machines', { headers: broken })).status).toBe(401);
  // It is for operators' routes only, and an Authorization header counts before it.
  const { status } = await gateway.send('GET', '/v1/machines', { headers: { cookie }, token: 'not-a-token' });
  expect(status).toBe(401);
});

test('with a cookie nothing is changed by a page that is not the console', async () => {
  const change = { body: { freezing: true } };
  const refused = [{ cookie }, { cookie, 'lms-console': '1', 'sec-fetch-site': 'cross-site' }];
  for (const headers of refused) {
    expect((await gateway.send('PATCH', '/v1/settings', { ...change, headers })).status).toBe(403);
  }
  const allowed = await gateway.send('PATCH', '/v1/settings', { ...change, headers: { cookie, ...CONSOLE } });
  expect(allowed.status).toBe(200);
  // API tokens need no such header.
  expect((await gateway.send('PATCH', '/v1/settings', { ...change, token: gateway.apiToken })).status).toBe(200);
  const elsewhere = { 'sec-fetch-site': 'cross-site' };
  const signIn = { body: { apiToken: gateway.apiToken }, headers: elsewhere };
  expect((await gateway.send('POST', '/v1/session', signIn)).status).toBe(403);
});

test('signing out takes the cookie away', async () => {
  const { status, headers } = await gateway.send('DELETE', '/v1/session', { headers: { cookie, ...CONSOLE } });
  expect(status).toBe(200);
  expect(String(headers['set-cookie'])).toContain('Max-Age=0');
});

test('pages come with a policy, are not sent again while they are the same, and / leads to them', async () => {
  const page = await gateway.fetch('/console/');
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(String(page.headers['content-security-policy'])).toContain("script-src 'self'");
  expect(String(page.headers['content-security-policy'])).toContain("frame-ancestors 'none'");
  expect(String(page.headers['content-security-policy'])).not.toContain('unsafe');
  expect(page.headers['x-content-type-options']).toBe('nosniff');
  const again = await gateway.fetch('/console/', { 'if-none-match': String(page.headers['etag']) });
  expect([again.status, again.text]).toEqual([304, '']);
  expect((await gateway.fetch('/console/settings/page.js')).headers['content-type']).toBe(
    'text/javascript; charset=utf-8',
  );
  expect((await gateway.fetch('/console/../package.json')).status).toBe(404);
  expect((await gateway.fetch('/')).headers['location']).toBe('/console/');
});

test('whoever guesses at sign-in is slowed down, and the others are not', async () => {
  const statuses: number[] = [];
  for (let tries = 0; tries < 20; tries += 1) {
    statuses.push((await gateway.send('POST', '/v1/session', { body: { apiToken: `guess-${tries}` } })).status);
  }
  expect(statuses[0]).toBe(401);
  expect(statuses.at(-1)).toBe(429);
  expect((await gateway.send('GET', '/v1/machines', { token: gateway.apiToken })).status).toBe(200);
});
