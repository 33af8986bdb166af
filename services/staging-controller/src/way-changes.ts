/**
 * Lets other addresses of the block stream take effect, when the agent has reached one of them.
 *
 *     the settings ask for others ──(nothing is taken away)────────────► they take effect
 *       └──(something is)──► pending: the agent checks each of them ──(one is reached)──► they take effect
 *                               ▲                  └──(none is)──► the reason is kept; again after a while
 *                               └──────────────────────────────────┘
 *     the settings ask for what has taken effect ──► nothing is pending
 *
 * What has taken effect and why something has not yet is in state, so that a restart withdraws nothing. Checks under way
 * are not: they change nothing, and are asked for again.
 */
import { toLmsError } from '@lms/errors';
import type { BlockStreamSettings } from '@lms/proto';
import type { Logger } from '@lms/telemetry';
import { textOf, withdrawnWays, type Endpoint } from './block-stream-ways.ts';
import type { MachineWays } from './machine-ways.ts';
import { blockStreamSettings, isSameSettings, storedSettings, type StoredWays } from './stored-ways.ts';
import type { StagingStore } from './store.ts';

/** Who opens a firewall wants to see it; an agent's check costs one connection. */
const CHECK_EVERY_MILLISECONDS = 20_000;
/** A default that is changed is checked by every machine. */
const MAXIMUM_CHECKS = 16;
const NO_ADDRESS = 'No address of its replication server is known that these settings name. The ones of before stay.';
const CHECKING = 'The agent is asked whether it reaches one of these addresses. The ones of before stay until it has.';

/** What the agent found out. Null: it reached it; else why not, in one sentence. */
export type CheckWay = (machineId: string, endpoint: Endpoint, signal: AbortSignal) => Promise<string | null>;

export interface WayChangesOptions {
  readonly store: Pick<StagingStore, 'ways'>;
  readonly ways: Pick<MachineWays, 'settingsOf' | 'appliedOf' | 'compare'>;
  /** Null: it was removed. */
  readonly machine: (machineId: string) => unknown;
  readonly checkWay: CheckWay;
  readonly logger: Logger;
}

export class WayChanges {
  readonly #options: WayChangesOptions;
  readonly #checking = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(options: WayChangesOptions) {
    this.#options = options;
  }

  /** Idempotent. Returns when what can be decided at once is in state; checks go on beside. */
  async follow(machineIds: readonly string[], now: Date): Promise<void> {
    for (const machineId of machineIds) await this.#followOne(machineId, now);
  }

  /** Resolves when no check is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#checking.values());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
  }

  async #followOne(machineId: string, now: Date): Promise<void> {
    const { ways, store } = this.#options;
    const [wanted, applied] = [ways.settingsOf(machineId), ways.appliedOf(machineId)];
    const stored = store.ways.get(machineId)?.value ?? null;
    if (isSameSettings(wanted, applied)) {
      // Also the first of a machine that never sent data: from then on they are what it was told.
      const isKnown = stored === null ? isAsFound(applied) : stored.pending === null;
      if (!isKnown) await this.#put(machineId, { applied: storedSettings(applied), pending: null });
      return;
    }
    const { before, after } = ways.compare(machineId);
    if (before.length === 0 || (after.length > 0 && withdrawnWays(before, after).length === 0)) {
      await this.#apply(machineId, wanted);
    } else if (after.length === 0) {
      if (isDue(stored, wanted, now)) await this.#keepReason(machineId, wanted, NO_ADDRESS, later(now), now);
    } else this.#check(machineId, wanted, after, now);
  }

  #check(machineId: string, wanted: BlockStreamSettings, endpoints: readonly Endpoint[], now: Date): void {
    if (this.#checking.has(machineId) || this.#checking.size >= MAXIMUM_CHECKS || this.#stopping.signal.aborted) return;
    const stored = this.#options.store.ways.get(machineId)?.value ?? null;
    if (!isDue(stored, wanted, now)) return;
    const check = this.#checkAll(machineId, wanted, endpoints)
      .catch((thrown: unknown) => {
        const { code, message } = toLmsError(thrown);
        this.#options.logger.warn({ code, machineId }, `the addresses of the machine are not checked: ${message}`);
      })
      .finally(() => this.#checking.delete(machineId));
    this.#checking.set(machineId, check);
  }

  async #checkAll(machineId: string, wanted: BlockStreamSettings, endpoints: readonly Endpoint[]): Promise<void> {
    const { signal } = this.#stopping;
    const stored = this.#options.store.ways.get(machineId)?.value ?? null;
    const reason = isPending(stored, wanted) ? (stored?.pending?.reason ?? CHECKING) : CHECKING;
    await this.#keepReason(machineId, wanted, reason, null, new Date());
    const failures: string[] = [];
    for (const endpoint of endpoints) {
      const failure = await this.#options.checkWay(machineId, endpoint, signal);
      if (signal.aborted) return;
      if (failure === null) {
        // The operator may have changed his mind meanwhile.
        if (!isSameSettings(this.#options.ways.settingsOf(machineId), wanted)) return;
        await this.#apply(machineId, wanted);
        this.#options.logger.info(
          { machineId, address: textOf(endpoint) },
          'the agent reached it: it is told this way',
        );
        return;
      }
      failures.push(`${textOf(endpoint)}: ${failure}`);
    }
    const told = `The agent does not reach it, and stays where it is: ${failures.join('; ')}`;
    if (told !== reason) this.#options.logger.warn({ machineId }, told);
    await this.#keepReason(machineId, wanted, told, later(new Date()), new Date());
  }

  #apply(machineId: string, settings: BlockStreamSettings): Promise<void> {
    return this.#put(machineId, { applied: storedSettings(settings), pending: null });
  }

  async #keepReason(
    machineId: string,
    wanted: BlockStreamSettings,
    reason: string,
    nextCheckAt: Date | null,
    now: Date,
  ): Promise<void> {
    const { store, ways } = this.#options;
    const stored = store.ways.get(machineId)?.value ?? null;
    const since = isPending(stored, wanted) ? (stored?.pending?.since ?? now.toISOString()) : now.toISOString();
    await this.#put(machineId, {
      applied: stored?.applied ?? storedSettings(ways.appliedOf(machineId)),
      pending: { wanted: storedSettings(wanted), since, reason, nextCheckAt: nextCheckAt?.toISOString() ?? null },
    });
  }

  async #put(machineId: string, value: StoredWays): Promise<void> {
    // A check that ends after a removal must not leave a trace of the machine.
    if (this.#options.machine(machineId) !== null) await this.#options.store.ways.modify(machineId, () => value);
  }
}

function isDue(stored: StoredWays | null, wanted: BlockStreamSettings, now: Date): boolean {
  const nextCheckAt = isPending(stored, wanted) ? stored?.pending?.nextCheckAt : null;
  return typeof nextCheckAt !== 'string' || Date.parse(nextCheckAt) <= now.getTime();
}

function later(now: Date): Date {
  return new Date(now.getTime() + CHECK_EVERY_MILLISECONDS);
}

function isPending(stored: StoredWays | null, wanted: BlockStreamSettings): boolean {
  const pending = stored?.pending ?? null;
  return pending !== null && isSameSettings(blockStreamSettings(pending.wanted), wanted);
}

function isAsFound(settings: BlockStreamSettings): boolean {
  const { use, public: outer, private: inner } = storedSettings(settings);
  return use === 'any' && outer === null && inner === null;
}
