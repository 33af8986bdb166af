/**
 * Which of several controllers acts: the one that holds the Lease.
 *
 *     following ──(free, or not renewed for its whole life)──▶ leading ──(not renewed in time, or taken)──▶ following
 *
 * Clocks are not compared: whether a lease is stale is judged by how long *we* have seen it unchanged. A holder counts
 * from the moment before it sent its last successful renewal, and stops well before anybody else may begin; whatever it
 * has under way is aborted then, so two never act, also when the holder was stopped and goes on later.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { KubernetesApi } from './api.ts';
import { adviceFor } from './api-failure.ts';
import { LEASE, type Manifest } from './resource.ts';

export interface LeaseTimes {
  /** Not renewed for so long it is anybody's. */
  readonly lifeMilliseconds: number;
  /** Not renewed for so long its holder stops. */
  readonly stopMilliseconds: number;
  readonly renewMilliseconds: number;
}

export const DEFAULT_LEASE_TIMES: LeaseTimes = {
  lifeMilliseconds: 15_000,
  stopMilliseconds: 10_000,
  renewMilliseconds: 3_000,
};

interface LeaseObject {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
    readonly acquireTime?: string;
  };
}

export interface LeaderElectionOptions {
  readonly api: KubernetesApi;
  readonly name: string;
  /** So that it is found when the release is removed. */
  readonly labels: Readonly<Record<string, string>>;
  readonly identity: string;
  readonly times: LeaseTimes;
  readonly logger: Logger;
  /** Runs while we hold the lease; the signal is aborted the moment that we do not. */
  readonly lead: (term: AbortSignal) => Promise<void>;
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  /** What was seen of somebody else's lease, and since when it has been so. */
  #seen: { readonly version: string; readonly since: number } | null = null;
  #holder: string | null = null;
  #failure: string | null = null;
  #holdsUntil = 0;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /** Asked before each write: a process that was stopped for a while may wake up in the middle of its work. */
  get holds(): boolean {
    return performance.now() < this.#holdsUntil;
  }

  /** Null: not known. */
  get holder(): string | null {
    return this.#holder;
  }

  /** Why the lease cannot be looked at, or taken; null: it can. */
  get failure(): string | null {
    return this.#failure;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { times, logger, identity } = this.#options;
    let said = '';
    while (!signal.aborted) {
      try {
        const startedAt = performance.now();
        const acquired = await this.#acquire(signal);
        this.#failure = null;
        if (acquired) await this.#lead(startedAt, signal);
        said = '';
      } catch (thrown) {
        if (signal.aborted) break;
        const error = toLmsError(thrown);
        this.#failure = `the lease is not to be had: ${error.message}${adviceFor(error, 'get, create and update of leases')}`;
        if (this.#failure !== said) logger.warn({ code: error.code, identity }, this.#failure);
        said = this.#failure;
      }
      await pause(times.renewMilliseconds * (0.8 + 0.4 * Math.random()), signal);
    }
  }

  /** Whether it is ours now. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { identity, times } = this.#options;
    const lease = await this.#read(signal);
    const holder = lease?.spec?.holderIdentity ?? '';
    this.#holder = holder === '' ? null : holder;
    const version = lease?.metadata?.resourceVersion ?? '';
    const now = performance.now();
    if (this.#seen?.version !== version) this.#seen = { version, since: now };
    const free = holder === '' || holder === identity || now - this.#seen.since > times.lifeMilliseconds;
    if (!free) return false;
    return this.#write(lease, identity, signal);
  }

  async #lead(acquiredAt: number, signal: AbortSignal): Promise<void> {
    const { lead, logger, identity, times } = this.#options;
    const term = new AbortController();
    const end = (why: string): void => {
      this.#holdsUntil = 0;
      term.abort(new LmsError('ABORTED', `this controller no longer leads: ${why}`));
    };
    const giveUp = (): void => end('it is stopping');
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    logger.info({ identity }, 'leads');
    let watchdog: NodeJS.Timeout | undefined;
    const renewed = (sentAt: number): void => {
      clearTimeout(watchdog);
      this.#holdsUntil = sentAt + times.stopMilliseconds;
      // Ends the term by itself, whatever the renewal is waiting for.
      watchdog = setTimeout(
        () => end('the lease could not be renewed in time'),
        Math.max(0, this.#holdsUntil - performance.now()),
      );
    };
    renewed(acquiredAt);
    try {
      // Whoever has stopped acting must not keep the lease.
      const acting = lead(term.signal).finally(() => end('it has stopped acting'));
      await Promise.all([acting, this.#renew(term.signal, renewed, end)]);
    } finally {
      clearTimeout(watchdog);
      this.#holdsUntil = 0;
      signal.removeEventListener('abort', giveUp);
      logger.info({ identity }, 'leads no longer');
      if (signal.aborted) await this.#release();
    }
  }

  async #renew(term: AbortSignal, renewed: (sentAt: number) => void, end: (why: string) => void): Promise<void> {
    const { identity, times, logger } = this.#options;
    while (await pause(times.renewMilliseconds, term)) {
      const startedAt = performance.now();
      try {
        const lease = await this.#read(term);
        const holder = lease?.spec?.holderIdentity;
        if (holder !== identity) return end(`${holder ?? 'nobody'} holds the lease`);
        const written = await this.#write(lease, identity, term);
        if (written && !term.aborted) renewed(startedAt);
      } catch (thrown) {
        if (!term.aborted) logger.warn({ identity }, `lease not renewed: ${toLmsError(thrown).message}`);
      }
    }
  }

  /** So that the next one need not wait. */
  async #release(): Promise<void> {
    const limit = AbortSignal.timeout(this.#options.times.renewMilliseconds);
    try {
      const lease = await this.#read(limit);
      if (lease?.spec?.holderIdentity === this.#options.identity) await this.#write(lease, '', limit);
    } catch {
      // It runs out by itself.
    }
  }

  async #read(signal: AbortSignal): Promise<LeaseObject | null> {
    const { api, name, times } = this.#options;
    return (await api.read(LEASE, name, signal, times.renewMilliseconds)) as LeaseObject | null;
  }

  /** False: somebody else was faster. */
  async #write(lease: LeaseObject | null, holder: string, signal: AbortSignal): Promise<boolean> {
    const { api, name, labels, times } = this.#options;
    const now = new Date().toISOString().replace('Z', '000Z');
    const changes = lease?.spec?.holderIdentity !== holder;
    const body: Manifest = {
      apiVersion: LEASE.apiVersion,
      kind: LEASE.kind,
      metadata: {
        name,
        namespace: api.namespace,
        labels,
        ...(lease?.metadata?.resourceVersion !== undefined && { resourceVersion: lease.metadata.resourceVersion }),
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.max(1, Math.ceil(times.lifeMilliseconds / 1_000)),
        renewTime: now,
        acquireTime: changes ? now : (lease?.spec?.acquireTime ?? now),
        leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (changes && lease !== null ? 1 : 0),
      },
    };
    try {
      await api.put(LEASE, body, signal, times.renewMilliseconds);
      this.#holder = holder === '' ? null : holder;
      return true;
    } catch (thrown) {
      const { code } = toLmsError(thrown);
      if (code === 'ABORTED' || code === 'ALREADY_EXISTS') return false;
      throw thrown;
    }
  }
}
