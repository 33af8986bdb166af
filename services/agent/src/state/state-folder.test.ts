import {
  mkdtempSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import type { AgentIdentity } from './agent-identity.ts';
import { NO_PROXIES, describeProxy, showProxy } from './agent-proxies.ts';
import { runtimeId, traceInstanceName } from './runtime-names.ts';
import { StateFolder } from './state-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'lms-state-'));
afterAll(() => rmSync(root, { recursive: true }));

let path = '';
let state: StateFolder;
let count = 0;
beforeEach(() => {
  path = join(root, `state-${count++}`);
  state = new StateFolder(path);
});

const identity: AgentIdentity = {
  schemaVersion: 1,
  machineId: 'm-0123456789abcdef0123',
  name: 'web',
  managerUrl: 'https://127.0.0.1:8443',
  caSha256: 'ab'.repeat(32),
  trustDomain: 'lms-0',
  enrolledAt: '2026-11-23T00:00:00.000Z',
  disks: [{ diskId: 'loop-1', device: '/dev/loop0', sizeBytes: 1_048_576 }],
};

async function enrolled(): Promise<void> {
  state.create();
  await state.writeKey('KEY');
  await state.writeEnrolment(identity, 'CERTIFICATE', 'CA');
}

test('what was written is read back, for nobody but the owner', async () => {
  await enrolled();
  expect(await state.identity()).toEqual(identity);
  expect(await state.credentials()).toEqual({ privateKeyPem: 'KEY', certificatePem: 'CERTIFICATE', caPem: 'CA' });
  expect(statSync(path).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600);
});

test('without an identity a folder is not enrolled, whatever else lies there', async () => {
  expect(await state.findIdentity()).toBeNull();
  state.create();
  await state.writeKey('KEY');
  expect(await state.findIdentity()).toBeNull();
  expect(exitCodeOf(await state.identity().catch((thrown: unknown) => thrown))).toBe(1);
});

test('a damaged identity is said, and not taken for none', async () => {
  await enrolled();
  const text = readFileSync(join(path, 'identity.json'), 'utf8');
  writeFileSync(join(path, 'identity.json'), text.slice(0, text.length / 2));
  await expect(state.findIdentity()).rejects.toMatchObject({ code: 'DATA_LOSS' });
});

test('a write that is cut off leaves the old content and no rest', async () => {
  await enrolled();
  mkdirSync(join(path, 'certificate.pem.tmp'));
  await expect(state.writeCertificate('NEW')).rejects.toMatchObject({ exit: 'failed' });
  expect((await state.credentials()).certificatePem).toBe('CERTIFICATE');
});

test('the second process on a folder is refused with exit 1', async () => {
  await enrolled();
  const lock = state.lock();
  expect(state.holder()).toBe(process.pid);
  let refusal: unknown = null;
  try {
    new StateFolder(path).lock();
  } catch (thrown) {
    refusal = thrown;
  }
  expect(exitCodeOf(refusal)).toBe(1);
  expect(String(refusal)).toContain(`process ${process.pid}`);
  lock.release();
  expect(state.holder()).toBeNull();
  state.lock().release();
});

test('one folder by two names is one agent, and two folders are two', () => {
  state.create();
  const link = join(root, `link-${count++}`);
  symlinkSync(path, link);
  expect(new StateFolder(link).path).toBe(state.path);
  expect(runtimeId(state.path)).toMatch(/^[0-9a-f]{16}$/);
  expect(traceInstanceName(state.path)).toBe(`lms-${runtimeId(state.path)}`);
  expect(runtimeId(`${state.path}-other`)).not.toBe(runtimeId(state.path));
});

test('a folder that is gone keeps its name, so that uninstall finds the rest', () => {
  state.create();
  const before = state.path;
  rmSync(path, { recursive: true });
  expect(new StateFolder(path).path).toBe(before);
});

test('removal lists what it removed, leaves what is not ours, and may be repeated', async () => {
  await enrolled();
  state.lock().release();
  writeFileSync(join(path, 'notes.txt'), 'mine');
  const removed = await state.remove();
  expect(removed).toContain(join(path, 'identity.json'));
  expect(removed).not.toContain(path);
  expect(readdirSync(path)).toEqual(['notes.txt']);
  rmSync(join(path, 'notes.txt'));
  expect(await state.remove()).toEqual([path]);
  expect(await state.remove()).toEqual([]);
});

test('a removal is kept, read back, and goes with the folder; one that cannot be read is none', async () => {
  await enrolled();
  expect(await state.findRemoval()).toBeNull();
  const removal = { schemaVersion: 1, learnedAt: '2026-11-23T00:00:00.000Z', message: 'it was removed' } as const;
  await state.writeRemoval(removal);
  expect(await new StateFolder(path).findRemoval()).toEqual(removal);
  writeFileSync(join(path, 'removed.json'), '{');
  expect(await state.findRemoval()).toBeNull();
  expect(await state.remove()).toContain(join(path, 'removed.json'));
});

test('proxies are kept for nobody but the owner, and go with the folder; a damaged file is said', async () => {
  await enrolled();
  expect(await state.proxies()).toEqual(NO_PROXIES);
  const proxy = { url: 'http://proxy:3128', username: 'kim', password: 'secret', noProxy: ['10.0.0.0/8'], caPem: null };
  const proxies = { schemaVersion: 1, changedAt: 'now', manager: proxy, blockStream: null } as const;
  await state.writeProxies(proxies);
  expect(await new StateFolder(path).proxies()).toEqual(proxies);
  expect(statSync(state.proxiesFile).mode & 0o777).toBe(0o600);
  writeFileSync(state.proxiesFile, '{}');
  await expect(state.proxies()).rejects.toMatchObject({ code: 'DATA_LOSS' });
  expect(await state.remove()).toContain(state.proxiesFile);
});

test('what is shown of a proxy has no password in it', () => {
  const shown = showProxy({ url: 'http://p:1', username: 'kim', password: 'secret', noProxy: ['.a'], caPem: 'PEM' });
  expect(shown).toEqual({ url: 'http://p:1', username: 'kim', noProxy: ['.a'], ownCa: true });
  expect(describeProxy(shown)).toBe('http://p:1, as kim, with a CA of its own, not for .a');
  expect([showProxy(null), describeProxy(null)]).toEqual([null, 'none']);
});
