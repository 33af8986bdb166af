import { beforeEach, expect, test } from '@jest/globals';
import type { StateEntry } from '@lms/events';
import { InstallationSettings, SettingValues, UpdateSettingsRequest, type StagingProxyChange } from '@lms/proto';
import { createLogger } from '@lms/telemetry';
import type { Facts } from '../facts.ts';
import { Installation } from './installation.ts';
import { PasswordSeal } from './password-seal.ts';
import { SETTINGS_KEY, STORED_SETTINGS, type StoredSettings } from './stored-settings.ts';

let entry: StateEntry<StoredSettings> | null;
/** Done by somebody else while a change is under way. */
let interfere: (() => void) | null;
let told: unknown[];
let installation: Installation;

const bucket = {
  get: () => entry,
  onChange: () => () => undefined,
  modify: async (_key: string, change: (current: StoredSettings | null) => StoredSettings) => {
    let value = change(entry?.value ?? null);
    if (interfere !== null) {
      interfere();
      interfere = null;
      value = change(entry?.value ?? null);
    }
    return put(value);
  },
};

function put(value: StoredSettings): StateEntry<StoredSettings> {
  const stored = STORED_SETTINGS.decode(JSON.parse(JSON.stringify(STORED_SETTINGS.encode(value))), 1);
  entry = { key: SETTINGS_KEY, value: stored, revision: (entry?.revision ?? 0) + 1 };
  return entry;
}

beforeEach(() => {
  [entry, interfere, told] = [null, null, []];
  const facts = { tell: (...fact: unknown[]) => told.push(fact) } as unknown as Facts;
  const seal = new PasswordSeal(new Uint8Array(32).fill(1));
  installation = new Installation({ bucket, seal, facts, logger: createLogger('test') });
});

const update = (change: Partial<UpdateSettingsRequest>) =>
  installation.update({ ...UpdateSettingsRequest.fromPartial({}), ...change });
const proxy = (change: Partial<StagingProxyChange['proxy']> = {}, password = ''): StagingProxyChange => ({
  proxy: {
    url: 'http://proxy.test:3128',
    username: 'lms',
    noProxy: [],
    caPem: '',
    passwordSet: true,
    ...change,
  },
  password,
});

test('the password of the proxy is told to replication servers and to nobody else, and is not in the state', async () => {
  await update({ stagingProxy: proxy({}, 'secret word') });
  expect(installation.forReplicationServers()).toMatchObject({ proxyPassword: 'secret word' });
  expect(installation.show().settings?.stagingProxy).toMatchObject({ username: 'lms', passwordSet: true });
  expect(told).toHaveLength(1);
  const bigint = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  for (const seen of [installation.show(), told, entry]) {
    expect(JSON.stringify(seen, bigint)).not.toContain('secret word');
  }
});

test('a proxy that is changed without its password keeps it, one without a user has none', async () => {
  await update({ stagingProxy: proxy({}, 'secret') });
  await update({ stagingProxy: proxy({ url: 'http://other.test:3128' }) });
  expect(installation.forReplicationServers()).toMatchObject({
    proxy: { url: 'http://other.test:3128' },
    proxyPassword: 'secret',
  });
  await update({ stagingProxy: proxy({ username: '', passwordSet: false }) });
  expect(installation.forReplicationServers()).toMatchObject({ proxy: { passwordSet: false }, proxyPassword: '' });
  await update({ removeStagingProxy: true });
  expect(installation.forReplicationServers().proxy).toBeUndefined();
});

test('a password that was sealed under another key is missing, and nothing else is', async () => {
  put({
    ...{ settings: { defaults: undefined, replicationServerBandwidth: undefined, stagingProxy: proxy().proxy } },
    sealedProxyPassword: new PasswordSeal(new Uint8Array(32).fill(2)).seal('secret'),
  });
  expect(installation.forReplicationServers()).toMatchObject({ proxy: { username: 'lms' }, proxyPassword: '' });
});

test('a change that was made for another content is refused, also when somebody is faster at the last moment', async () => {
  const freezing = (to: boolean) => ({ set: { ...SettingValues.fromPartial({}), freezing: to }, unset: [] });
  await update({ defaults: freezing(false), expectedRevision: 0n });
  await expect(update({ defaults: freezing(true), expectedRevision: 0n })).rejects.toMatchObject({ code: 'ABORTED' });
  interfere = () => put(entry?.value ?? { settings: InstallationSettings.fromPartial({}), sealedProxyPassword: null });
  await expect(update({ defaults: freezing(true), expectedRevision: installation.revision })).rejects.toMatchObject({
    code: 'ABORTED',
  });
  expect(installation.effective().freezing).toBe(false);
});

test('what changes nothing is no fact', async () => {
  await update({ stagingProxy: proxy({}, 'secret') });
  await update({ stagingProxy: proxy({}, 'secret') });
  await update({ stagingProxy: proxy() });
  expect(told).toHaveLength(1);
});

test.each(['ftp://proxy.test', 'proxy.test:3128', 'http://user:word@proxy.test'])('%s is no proxy', async (url) => {
  await expect(update({ stagingProxy: proxy({ url }) })).rejects.toMatchObject({ field: 'stagingProxy.url' });
});
