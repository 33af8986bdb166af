/**
 * Makes what is missing and renews what is due, one Secret after the other, each by what is there now. Running it twice,
 * or two at the same time, ends in the same state: a write that lost a race is decided anew from what has won.
 */
import { LmsError, toLmsError } from '@lms/errors';
import type { CertificateAuthority } from '@lms/identity';
import type { SetupPlan } from '../plan.ts';
import { decideAuthority, endOfAuthority, openAuthority } from './authority-secret.ts';
import { decideComponentCertificate, decideGatewayCertificate } from './certificate-secret.ts';
import type { Decision, SecretData, SecretType } from './decision.ts';
import { decideOperator } from './operator-secret.ts';
import { decidePasswords } from './password-secret.ts';

/** Somebody else that writes the same Secret so often is no second run of this program. */
const ATTEMPTS_MAX = 5;

export interface StoredSecret {
  readonly data: SecretData;
  /** By its label; of others nothing is ever replaced. */
  readonly isOurs: boolean;
  readonly revision: string;
}

/** ABORTED from `create` and `replace`: somebody else was faster. */
export interface SecretStore {
  read(name: string): Promise<StoredSecret | null>;
  create(name: string, type: SecretType, data: SecretData): Promise<void>;
  replace(name: string, type: SecretType, data: SecretData, revision: string): Promise<void>;
}

export interface Outcome {
  readonly secret: string;
  readonly action: 'kept' | 'created' | 'replaced';
  /** Null: it was kept. */
  readonly why: string | null;
}

export interface EnsureOptions {
  readonly store: SecretStore;
  readonly plan: SetupPlan;
  readonly now: Date;
  /** One sentence about something that works now and will not for ever. */
  readonly warn: (sentence: string) => void;
}

export async function ensureSecrets({ store, plan, now, warn }: EnsureOptions): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const ensure = async (name: string, type: SecretType, decide: Decide): Promise<SecretData> => {
    const { data, outcome } = await ensureSecret(store, name, type, decide);
    outcomes.push(outcome);
    return data;
  };
  const authorityOf = async ({ secret, given }: SetupPlan['authority']): Promise<CertificateAuthority> => {
    const data = given
      ? await readGiven(store, secret)
      : await ensure(secret, 'Opaque', (existing) => decideAuthority(secret, existing, now));
    const authority = await openAuthority(secret, data);
    const end = endOfAuthority(secret, authority, now);
    if (end !== null) warn(end);
    return authority;
  };

  const authority = await authorityOf(plan.authority);
  if (plan.internalAuthority !== null) {
    const internal = await authorityOf(plan.internalAuthority);
    for (const { component, secret, names } of plan.certificates) {
      await ensure(secret, 'kubernetes.io/tls', (existing) =>
        decideComponentCertificate(existing, internal, component, names, now),
      );
    }
  }
  const { nats, operator, gatewayCertificate } = plan;
  if (nats !== null) await ensure(nats.secret, 'Opaque', (existing) => decidePasswords(existing, nats.users));
  if (operator !== null) {
    const context = { managerUrl: operator.managerUrl, caPem: authority.certificatePem };
    await ensure(operator.secret, 'Opaque', (existing) => decideOperator(operator.secret, existing, context));
  }
  if (gatewayCertificate !== null) {
    await ensure(gatewayCertificate.secret, 'kubernetes.io/tls', (existing) =>
      decideGatewayCertificate(existing, authority, gatewayCertificate.names, now),
    );
  }
  return outcomes;
}

type Decide = (existing: SecretData | null) => Decision | Promise<Decision>;

async function ensureSecret(
  store: SecretStore,
  name: string,
  type: SecretType,
  decide: Decide,
): Promise<{ readonly data: SecretData; readonly outcome: Outcome }> {
  for (let attempt = 1; ; attempt += 1) {
    const existing = await store.read(name);
    const decision = await decide(existing?.data ?? null);
    if (decision.kind === 'keep') return { data: decision.data, outcome: { secret: name, action: 'kept', why: null } };
    if (existing !== null && !existing.isOurs) throw notOurs(name, decision.why);
    try {
      if (existing === null) await store.create(name, type, decision.data);
      else await store.replace(name, type, decision.data, existing.revision);
    } catch (thrown) {
      if (toLmsError(thrown).code !== 'ABORTED' || attempt === ATTEMPTS_MAX) throw thrown;
      continue;
    }
    const action = existing === null ? 'created' : 'replaced';
    return { data: decision.data, outcome: { secret: name, action, why: decision.why } };
  }
}

async function readGiven(store: SecretStore, name: string): Promise<SecretData> {
  const existing = await store.read(name);
  if (existing !== null) return existing.data;
  throw new LmsError('NOT_FOUND', `there is no Secret ${name}, which is named as an existing one`, {
    field: name,
    action: 'Create it before the chart is installed, or leave existingSecret empty.',
  });
}

function notOurs(name: string, why: string): LmsError {
  return new LmsError(
    'FAILED_PRECONDITION',
    `Secret ${name} was made by somebody else, and would be replaced: ${why}`,
    {
      field: name,
      action: 'Correct it, or name another one in the values of the chart.',
    },
  );
}
