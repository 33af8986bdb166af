import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import { parsePlan, type SetupPlan } from '../plan.ts';
import type { SecretData } from './decision.ts';
import { ensureSecrets, type Outcome, type SecretStore, type StoredSecret } from './ensure-secrets.ts';

const DAY_MILLISECONDS = 86_400_000;
const NOW = new Date('2026-01-01T00:00:00Z');

const PLAN: SetupPlan = parsePlan(
  JSON.stringify({
    instance: 'lms',
    authority: { secret: 'ca' },
    internalAuthority: { secret: 'internal-ca' },
    certificates: [
      { component: 'registry', secret: 'registry-tls' },
      { component: 'nats', secret: 'nats-tls', names: ['*.nats.staging.svc'] },
    ],
    nats: { secret: 'nats', users: ['registry'] },
    operator: { secret: 'operator', managerUrl: 'https://manager.example' },
    gatewayCertificate: { secret: 'gateway-tls', names: ['manager.example', '192.0.2.1'] },
  }),
);

/** Secrets in memory, with the API server's compare-and-set. `before`: runs ahead of the next write. */
class MemoryStore implements SecretStore {
  readonly secrets = new Map<string, StoredSecret>();
  before: () => void = () => undefined;

  read(name: string): Promise<StoredSecret | null> {
    return Promise.resolve(this.secrets.get(name) ?? null);
  }

  async create(name: string, _type: string, data: SecretData): Promise<void> {
    this.#raced();
    if (this.secrets.has(name)) throw new LmsError('ABORTED', `${name} is there already`);
    this.put(name, data);
    return Promise.resolve();
  }

  async replace(name: string, _type: string, data: SecretData, revision: string): Promise<void> {
    this.#raced();
    if (this.secrets.get(name)?.revision !== revision) throw new LmsError('ABORTED', `${name} was changed`);
    this.put(name, data);
    return Promise.resolve();
  }

  put(name: string, data: SecretData, isOurs = true): void {
    const revision = Number(this.secrets.get(name)?.revision ?? 0) + 1;
    this.secrets.set(name, { data, isOurs, revision: String(revision) });
  }

  data(name: string): SecretData {
    return this.secrets.get(name)?.data ?? {};
  }

  #raced(): void {
    const run = this.before;
    this.before = () => undefined;
    run();
  }
}

function ensure(store: SecretStore, plan = PLAN, now = NOW, warn: (sentence: string) => void = () => undefined) {
  return ensureSecrets({ store, plan, now, warn });
}

function actions(outcomes: readonly Outcome[]): Record<string, string> {
  return Object.fromEntries(outcomes.map(({ secret, action, why }) => [secret, why ?? action]));
}

const ALL_KEPT = {
  ca: 'kept',
  'internal-ca': 'kept',
  'registry-tls': 'kept',
  'nats-tls': 'kept',
  nats: 'kept',
  operator: 'kept',
  'gateway-tls': 'kept',
};

test('everything is made once, and kept by every later run', async () => {
  const store = new MemoryStore();
  const first = await ensure(store);
  expect(new Set(first.map(({ action }) => action))).toEqual(new Set(['created']));
  const before = structuredClone(store.secrets);
  expect(actions(await ensure(store))).toEqual(ALL_KEPT);
  expect(store.secrets).toEqual(before);
});

test('certificates carry what their readers check: identity, names, the right CA', async () => {
  const store = new MemoryStore();
  await ensure(store);
  const certificateOf = (name: string) => new X509Certificate(store.data(name)['tls.crt'] ?? '');
  const internal = new X509Certificate(store.data('internal-ca')['ca.pem'] ?? '');
  const manager = new X509Certificate(store.data('ca')['ca.pem'] ?? '');
  expect(certificateOf('registry-tls').subjectAltName).toMatch(
    /^URI:spiffe:\/\/lms-[0-9a-f]{16}\/service\/registry, DNS:registry\.lms\.internal$/,
  );
  expect(certificateOf('registry-tls').verify(internal.publicKey)).toBe(true);
  expect(certificateOf('nats-tls').checkHost('nats-0.nats.staging.svc')).toBeDefined();
  expect(certificateOf('gateway-tls').verify(manager.publicKey)).toBe(true);
  expect(certificateOf('gateway-tls').checkIP('192.0.2.1')).toBe('192.0.2.1');
  expect(store.data('operator')['token-sha256']).toMatch(/^[0-9a-f]{64}$/);
  expect(store.data('nats')['registry']).toMatch(/^n[0-9a-f]{64}$/);
});

test('certificates are renewed at half of their life, and nothing else changes then', async () => {
  const store = new MemoryStore();
  await ensure(store);
  const later = await ensure(store, PLAN, new Date(NOW.getTime() + 60 * DAY_MILLISECONDS));
  expect(actions(later)).toEqual({ ...ALL_KEPT, 'gateway-tls': 'half of its life was over' });
  const muchLater = await ensure(store, PLAN, new Date(NOW.getTime() + 200 * DAY_MILLISECONDS));
  expect(actions(muchLater)).toEqual({
    ...ALL_KEPT,
    'gateway-tls': 'it had ended',
    'registry-tls': 'half of its life was over',
    'nats-tls': 'half of its life was over',
  });
});

test('another address is told to operators and named by the certificate; the token stays', async () => {
  const store = new MemoryStore();
  await ensure(store);
  const token = store.data('operator')['token-sha256'];
  const moved: SetupPlan = {
    ...PLAN,
    operator: { secret: 'operator', managerUrl: 'https://other.example' },
    gatewayCertificate: { secret: 'gateway-tls', names: ['other.example'] },
  };
  expect(actions(await ensure(store, moved))).toEqual({
    ...ALL_KEPT,
    operator: 'the address of the manager was another one',
    'gateway-tls': 'it did not name other.example',
  });
  expect(store.data('operator')['token-sha256']).toBe(token);
  expect(store.data('operator')['operator.json']).toContain('https://other.example');
});

test('a password that is there stays; a user that is new gets one', async () => {
  const store = new MemoryStore();
  store.put('nats', { registry: 'chosen' });
  await ensure(store, { ...PLAN, nats: { secret: 'nats', users: ['registry', 'log-ingest'] } });
  expect(store.data('nats')).toEqual({ registry: 'chosen', 'log-ingest': expect.stringMatching(/^n/) });
});

test('a CA whose key is gone is never replaced: the error says what to restore', async () => {
  const store = new MemoryStore();
  await ensure(store);
  const { 'ca-key.pem': _key, ...rest } = store.data('ca');
  store.put('ca', rest);
  await expect(ensure(store)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: 'Secret ca has no ca-key.pem',
    action: expect.stringContaining('from a copy'),
  });
  expect(store.data('ca')).toEqual(rest);
});

test('a CA that ends in a year is told of', async () => {
  const store = new MemoryStore();
  await ensure(store);
  const said: string[] = [];
  await ensure(store, PLAN, new Date(NOW.getTime() + 3_400 * DAY_MILLISECONDS), (sentence) => said.push(sentence));
  expect(said).toHaveLength(2);
  expect(said[0]).toMatch(/^the CA in Secret ca ends at 20/);
});

test('a Secret that somebody else made is used when it serves, and never written', async () => {
  const store = new MemoryStore();
  await ensure(store);
  store.put('registry-tls', store.data('registry-tls'), false);
  expect(actions(await ensure(store))).toEqual(ALL_KEPT);
  store.put('registry-tls', { 'tls.crt': 'another one' }, false);
  await expect(ensure(store)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringContaining('Secret registry-tls was made by somebody else'),
  });
});

test('a CA that is named as an existing one is read, and its absence is an error', async () => {
  const store = new MemoryStore();
  const given: SetupPlan = { ...PLAN, authority: { secret: 'company-ca', given: true } };
  await expect(ensure(store, given)).rejects.toMatchObject({ code: 'NOT_FOUND', field: 'company-ca' });
  const other = new MemoryStore();
  await ensure(other);
  store.put('company-ca', other.data('ca'), false);
  expect(Object.keys(actions(await ensure(store, given)))).not.toContain('company-ca');
  expect(store.data('gateway-tls')['ca.crt']).toBe(other.data('ca')['ca.pem']);
});

test('of two runs at the same time one makes a Secret and the other takes it', async () => {
  const store = new MemoryStore();
  store.before = () => store.put('ca', winner.data('ca'));
  const winner = new MemoryStore();
  await ensure(winner);
  const outcomes = await ensure(store);
  expect(outcomes[0]).toEqual({ secret: 'ca', action: 'kept', why: null });
  expect(store.data('operator')['operator.json']).toContain(JSON.stringify(winner.data('ca')['ca.pem']).slice(1, -1));
});
