/** The port without TLS, behind an ingress: the same routes, and limits by the address that the ingress saw. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { request, Agent } from 'undici';
import { TestGateway } from '../harness/gateway.ts';

jest.setTimeout(120_000);

/** More than an address may send at once, refills while it sends included. */
const ENOUGH_REQUESTS = 20_000;
const AT_ONCE = 50;

const dispatcher = new Agent({ connections: AT_ONCE });
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ listenPlain: '127.0.0.1:0' });
});
afterAll(async () => {
  await dispatcher.destroy();
  await gateway[Symbol.asyncDispose]();
});

async function askHealth(forwardedFor: string): Promise<number> {
  const url = `http://127.0.0.1:${gateway.service.plainPort}/v1/health`;
  const { statusCode, body } = await request(url, { dispatcher, headers: { 'x-forwarded-for': forwardedFor } });
  await body.dump();
  return statusCode;
}

test('operators, and everybody else, are served as on the port with TLS', async () => {
  const { apiToken } = gateway;
  const url = `http://127.0.0.1:${gateway.service.plainPort}/v1/machines`;
  const answered = await request(url, { dispatcher, headers: { authorization: `Bearer ${apiToken}` } });
  expect(await answered.body.json()).toMatchObject({ machines: [] });
  const refused = await request(url, { dispatcher });
  await refused.body.dump();
  expect(refused.statusCode).toBe(401);
});

test('the console is served behind an ingress as it is with TLS: pages with their policy, and a cookie for the browser', async () => {
  const url = `http://127.0.0.1:${gateway.service.plainPort}`;
  const page = await request(`${url}/console/`, { dispatcher });
  expect(await page.body.text()).toContain('Replication Settings');
  expect(String(page.headers['content-security-policy'])).toContain("default-src 'none'");
  const signIn = await request(`${url}/v1/session`, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify({ apiToken: gateway.apiToken }),
  });
  expect(await signIn.body.json()).toMatchObject({ name: 'test' });
  const cookie = String(signIn.headers['set-cookie']).split(';')[0] ?? '';
  const settings = await request(`${url}/v1/settings`, { dispatcher, headers: { cookie } });
  expect(await settings.body.json()).toMatchObject({ stagingProxy: null });
});

test('one client that runs wild exhausts its own limit, and cannot take the limit of another by writing addresses', async () => {
  let limited = false;
  for (let sent = 0; sent < ENOUGH_REQUESTS && !limited; sent += AT_ONCE) {
    // What it writes itself stands to the left of what the ingress appends.
    const batch = Array.from({ length: AT_ONCE }, (_, index) => askHealth(`203.0.113.${index}, 192.0.2.1`));
    limited = (await Promise.all(batch)).includes(429);
  }
  expect(limited).toBe(true);
  expect(await askHealth('192.0.2.2')).toBe(200);
  expect(await askHealth('203.0.113.0')).toBe(200);
});
