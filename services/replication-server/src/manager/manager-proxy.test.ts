import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ProxyError } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import { waitFor } from '../../../../test/harness/condition.ts';
import { ManagerProxy } from './manager-proxy.ts';

const proxy = (name: string): ProxySettings => ({
  url: `http://${name}:3128`,
  username: 'kim',
  password: `password of ${name}`,
  noProxy: [],
  caPem: null,
});

let folder = '';
let warnings: string[] = [];
let tried: (string | null)[] = [];
let taken: (string | null)[] = [];
let working: Set<string | null>;
let ending: AbortController;
let running: Promise<void> | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-proxy-'));
  [warnings, tried, taken, working] = [[], [], [], new Set()];
  ending = new AbortController();
});
afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

async function start(installed: ProxySettings | null): Promise<ManagerProxy> {
  const logger = { info: () => undefined, warn: (_: unknown, message: string) => void warnings.push(message) };
  const manager = new ManagerProxy({ file: join(folder, 'proxy.json'), installed, logger: logger as never });
  await manager.load();
  const use = {
    attempt: (way: ProxySettings | null): Promise<void> => {
      const name = way?.url ?? null;
      tried.push(name);
      if (working.has(name)) return Promise.resolve();
      return Promise.reject(new ProxyError('PROXY_UNREACHABLE', `nobody at ${name}`));
    },
    take: (way: ProxySettings | null): void => void taken.push(way?.url ?? null),
  };
  running = manager.run(use, ending.signal);
  return manager;
}

async function stop(): Promise<void> {
  ending.abort();
  await running;
  ending = new AbortController();
}

test('a way that works is taken, kept over a restart, and readable for nobody else', async () => {
  working.add('http://new:3128');
  const manager = await start(null);
  expect(manager.present).toBeNull();
  manager.want(proxy('new'));
  await waitFor('it to be taken', () => taken.length === 1);
  expect(manager.present).toEqual(proxy('new'));
  expect(statSync(join(folder, 'proxy.json')).mode & 0o777).toBe(0o600);
  await stop();
  expect((await start(null)).present).toEqual(proxy('new'));
});

test('a way that fails is told once, and the one of before stays, also over a restart', async () => {
  const manager = await start(proxy('installed'));
  manager.want(proxy('dead'));
  await waitFor('the warning', () => warnings.length === 1);
  expect(warnings[0]).toContain('http://dead:3128');
  expect(warnings[0]).not.toContain('password');
  expect(manager.problem).toMatchObject({ reason: 'PROXY_UNREACHABLE' });
  expect([manager.present, taken]).toEqual([proxy('installed'), []]);
  await stop();
  expect((await start(proxy('installed'))).present).toEqual(proxy('installed'));
});

test('another wish ends the wait for one that fails, and the same again is no other', async () => {
  working.add('http://good:3128');
  const manager = await start(null);
  manager.want(proxy('dead'));
  await waitFor('the warning', () => warnings.length === 1);
  manager.want(proxy('dead'));
  manager.want(proxy('good'));
  await waitFor('the good one', () => taken.includes('http://good:3128'));
  expect(manager.problem).toBeNull();
  expect(tried).toEqual(['http://dead:3128', 'http://good:3128']);
});

test('nothing said is as installed, and what is in use already is not tried', async () => {
  working.add('http://new:3128').add('http://installed:3128');
  const manager = await start(proxy('installed'));
  manager.want(null);
  manager.want(proxy('new'));
  await waitFor('the new one', () => taken.length === 1);
  manager.want(null);
  await waitFor('the installed one', () => taken.length === 2);
  expect(taken).toEqual(['http://new:3128', 'http://installed:3128']);
  expect(tried).toEqual(taken);
  expect(readFileSync(join(folder, 'proxy.json'), 'utf8')).not.toContain('password');
});

test('whoever starts it with another proxy means that one', async () => {
  working.add('http://new:3128');
  (await start(proxy('installed'))).want(proxy('new'));
  await waitFor('the new one', () => taken.length === 1);
  await stop();
  expect((await start(proxy('corrected'))).present).toEqual(proxy('corrected'));
  await stop();
  expect((await start(proxy('installed'))).present).toEqual(proxy('new'));
});
