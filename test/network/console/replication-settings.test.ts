// Setup & Info, Replication Settings, in Chromium: on a real gateway and registry, as an operator uses it.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { TestGateway } from '../../integration/harness/gateway.ts';
import { waitFor } from '../../harness/condition.ts';
import { ConsoleBrowser, type ConsolePage } from './browser.ts';

const resources = new AsyncDisposableStack();
let gateway: TestGateway;
let browser: ConsoleBrowser;
let machineId: string;

beforeAll(async () => {
  gateway = resources.use(await TestGateway.start());
  browser = resources.use(await ConsoleBrowser.start(gateway.url));
  machineId = (await gateway.enrolAgent()).answer.machineId;
});

afterAll(() => resources.disposeAsync());

async function signIn(): Promise<ConsolePage> {
  const visit = await browser.visit();
  await visit.page.getByLabel('API token').fill(gateway.apiToken);
  await visit.page.getByRole('button', { name: 'Sign in' }).click();
  await settled(visit.page);
  return visit;
}

async function settled(page: Page): Promise<void> {
  await page.getByText('Nothing is changed.').waitFor();
}

async function save(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Review changes' }).click();
  await preview(page).getByRole('button', { name: 'Save' }).click();
  await settled(page);
}

function preview(page: Page): Locator {
  return page.getByRole('dialog', { name: 'What this changes' });
}

test('an operator signs in with an API token that no script can read afterwards, and out again', async () => {
  const { page, context, complaints } = await browser.visit();
  await page.getByLabel('API token').fill('not-a-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This API token is not accepted.').waitFor();
  expect(await page.getByLabel('API token').getAttribute('aria-invalid')).toBe('true');
  await page.getByLabel('API token').fill(gateway.apiToken);
  await page.getByLabel('API token').press('Enter');
  await settled(page);
  const cookies = await context.cookies();
  expect(cookies).toMatchObject([{ name: '__Host-lms-session', httpOnly: true, secure: true, sameSite: 'Strict' }]);
  expect(await page.evaluate('document.cookie')).toBe('');
  await page.reload();
  await settled(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await context.cookies()).toEqual([]);
  expect(complaints).toEqual([]);
});

test('proxy and private address are changed: shown before it is done, then done, and told as they are', async () => {
  const { page, complaints } = await signIn();
  expect(await page.getByRole('switch', { name: 'Route via a proxy' }).isChecked()).toBe(false);
  expect(await page.getByLabel('Any address that can be reached').isChecked()).toBe(true);
  await page.getByRole('switch', { name: 'Route via a proxy' }).check();
  await page.getByLabel('Proxy', { exact: true }).fill('http://proxy.example.com:3128');
  await page.getByLabel('User').fill('lms');
  await page.getByLabel('Password', { exact: false }).first().fill('secret of the proxy');
  await page.getByLabel('Private address only').check();
  await page.getByLabel('Private address', { exact: true }).fill('10.1.2.3');
  await page.getByLabel('Port of the private address').fill('1501');
  await page.getByRole('button', { name: 'Review changes' }).click();
  await preview(page).getByText('by the proxy http://proxy.example.com:3128').waitFor();
  await preview(page).getByText('10.1.2.3, port 1501').first().waitFor();
  await preview(page).getByText('source-1').waitFor();
  // Shown is not done.
  const { body: before } = await gateway.send('GET', '/v1/settings', { token: gateway.apiToken });
  expect(before).toMatchObject({ stagingProxy: null, blockStream: { use: 'any', private: null } });
  await preview(page).getByRole('button', { name: 'Save' }).click();
  await settled(page);
  const { body: after } = await gateway.send('GET', '/v1/settings', { token: gateway.apiToken });
  expect(after).toMatchObject({
    stagingProxy: { url: 'http://proxy.example.com:3128', username: 'lms', passwordSet: true },
    blockStream: { use: 'private', private: { host: '10.1.2.3', port: 1501 }, public: null },
  });
  await page.reload();
  await settled(page);
  expect(await page.getByLabel('Proxy', { exact: true }).inputValue()).toBe('proxy.example.com:3128');
  expect(await page.locator('#proxy-password').inputValue()).toBe('');
  // Back to what it was, by the button that says so.
  const use = page.getByRole('group', { name: 'Connection to port 1500' });
  await use.getByRole('button', { name: 'Back to the default' }).click();
  await page
    .getByRole('group', { name: 'Private address' })
    .getByRole('button', { name: 'Back to the default' })
    .click();
  await page.getByRole('switch', { name: 'Route via a proxy' }).uncheck();
  await save(page);
  const { body: back } = await gateway.send('GET', '/v1/settings', { token: gateway.apiToken });
  expect(back).toMatchObject({ stagingProxy: null, overrides: [], blockStream: { use: 'any', private: null } });
  expect(complaints).toEqual([]);
});

test('a machine has a limit with a weekly schedule of its own, and what is not set for it stays as for all', async () => {
  const { page, complaints } = await signIn();
  await page.getByLabel('Settings of').selectOption(machineId);
  await page.getByText('What is not set for this machine is as for all machines.').waitFor();
  await settled(page);
  expect(await page.getByRole('switch', { name: 'Route via a proxy' }).isVisible()).toBe(false);
  const bandwidth = page.locator('#machine-bandwidth');
  await bandwidth.getByLabel('Limit', { exact: true }).fill('50');
  await bandwidth.getByRole('button', { name: 'Add a row' }).click();
  await bandwidth.getByRole('checkbox', { name: 'Saturday' }).check();
  await bandwidth.getByLabel('Until').fill('8:30');
  await bandwidth.getByLabel('Time zone of the rows').fill('Europe/Berlin');
  await save(page);
  const { body } = await gateway.send('GET', `/v1/machines/${machineId}/settings`, { token: gateway.apiToken });
  expect(body).toMatchObject({
    overrides: ['bandwidth'],
    bandwidth: {
      limitBitsPerSecond: 50_000_000,
      schedule: [
        {
          days: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'],
          from: '08:00',
          to: '08:30',
          limitBitsPerSecond: 10_000_000,
        },
      ],
      timeZone: 'Europe/Berlin',
    },
  });
  await bandwidth.getByRole('button', { name: 'As for all machines' }).click();
  await save(page);
  const { body: back } = await gateway.send('GET', `/v1/machines/${machineId}/settings`, { token: gateway.apiToken });
  expect(back).toMatchObject({ overrides: [], bandwidth: { limitBitsPerSecond: null, schedule: [] } });
  expect(complaints).toEqual([]);
});

test('what the manager refuses is told at the field that is wrong', async () => {
  const { page, complaints } = await signIn();
  const bandwidth = page.locator('#machine-bandwidth');
  await bandwidth.getByRole('button', { name: 'Add a row' }).click();
  await bandwidth.getByLabel('Limit in Mbit/s').fill('0.1');
  await page.getByRole('button', { name: 'Review changes' }).click();
  await bandwidth.getByText('Must be at least 256000 bits per second').waitFor();
  const field = bandwidth.getByLabel('Limit in Mbit/s');
  expect(await field.getAttribute('aria-invalid')).toBe('true');
  expect(await page.locator(':focus').getAttribute('id')).toBe(await field.getAttribute('id'));
  await field.fill('1');
  await bandwidth.getByLabel('Time zone of the rows').fill('Europe/Atlantis');
  await page.getByRole('button', { name: 'Review changes' }).click();
  await bandwidth.getByText('Must be the name of a time zone').waitFor();
  expect(await field.getAttribute('aria-invalid')).toBe(null);
  // Found before the manager is asked.
  await page.getByLabel('A point every').fill('often');
  await page.getByRole('button', { name: 'Review changes' }).click();
  await page.getByText('The time must be a whole number.').waitFor();
  expect(complaints).toEqual([]);
});

test('a change of addresses that is not in force yet says so, why, and when it is', async () => {
  const reason = '10.9.9.9:1500 does not answer from the machine';
  gateway.staging.pendingChange = { since: new Date(), reason, nextCheckAt: undefined };
  const { page, complaints } = await signIn();
  await page.getByLabel('Settings of').selectOption(machineId);
  const notice = page.getByText('The connection to port 1500 has not been changed yet.');
  await notice.waitFor();
  await page.getByText(`${reason}.`).waitFor();
  await page.getByText('A check is under way.').waitFor();
  gateway.staging.pendingChange = undefined;
  await notice.waitFor({ state: 'hidden' });
  expect(complaints).toEqual([]);
});

test('when somebody else was faster nothing is saved, and it is said', async () => {
  const { page } = await signIn();
  await page.getByLabel('A point every').fill('30');
  const faster = { body: { compression: 'off' }, token: gateway.apiToken };
  expect((await gateway.send('PATCH', '/v1/settings', faster)).status).toBe(200);
  await page.getByRole('button', { name: 'Review changes' }).click();
  await preview(page).getByRole('button', { name: 'Save' }).click();
  await page.getByText('Somebody else has changed these settings meanwhile').waitFor();
  const { body } = await gateway.send('GET', '/v1/settings', { token: gateway.apiToken });
  expect(body).toMatchObject({ pointIntervalSeconds: 10, compression: 'off' });
  // What was typed is still there until it is given up.
  expect(await page.getByLabel('A point every').inputValue()).toBe('30');
  await page.getByRole('button', { name: 'Show the present settings' }).click();
  await settled(page);
  expect(await page.getByLabel('A point every').inputValue()).toBe('10');
  expect(await page.getByLabel('Compression').inputValue()).toBe('off');
});

test('everything can be done with the keyboard alone', async () => {
  const { page } = await browser.visit();
  await page.locator('#api-token:focus').waitFor();
  await page.keyboard.type(gateway.apiToken);
  await page.keyboard.press('Enter');
  await settled(page);
  const tabTo = async (wanted: string): Promise<void> => {
    for (let stops = 0; stops < 80; stops += 1) {
      await page.keyboard.press('Tab');
      if ((await page.locator(':focus').getAttribute('id')) === wanted) return;
    }
    throw new Error(`no way by Tab to ${wanted}`);
  };
  await tabTo('proxy-used');
  await page.keyboard.press('Space');
  await tabTo('proxy-host');
  await page.keyboard.type('keyboard.example.com:8443');
  await tabTo('freezing');
  await page.keyboard.press('Space');
  await tabTo('review');
  await page.keyboard.press('Enter');
  await preview(page).waitFor();
  await tabTo('preview-save');
  await page.keyboard.press('Enter');
  await settled(page);
  const { body } = await gateway.send('GET', '/v1/settings', { token: gateway.apiToken });
  expect(body).toMatchObject({ stagingProxy: { url: 'https://keyboard.example.com:8443' }, freezing: false });
});

test('who is signed out, because the token was revoked or the time is over, is asked to sign in again', async () => {
  const { page, context } = await signIn();
  await context.clearCookies();
  await page.getByLabel('A point every').fill('30');
  await page.getByRole('button', { name: 'Review changes' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await page.locator('#settings').isVisible()).toBe(false);
});

test('the policy of the page lets nothing run but its own files', async () => {
  const { page, complaints } = await signIn();
  expect(complaints).toEqual([]);
  await page
    .evaluate(
      `
    const script = document.createElement('script');
    script.append('globalThis.injected = true');
    document.body.append(script);
  `,
    )
    .catch(() => undefined);
  await waitFor('the policy to forbid it', () =>
    complaints.some((text) => /Content Security Policy|TrustedScript/.test(text)),
  );
  expect(await page.evaluate(`'injected' in globalThis`)).toBe(false);
});
