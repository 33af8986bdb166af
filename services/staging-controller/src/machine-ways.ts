/**
 * Which addresses of its replication server a machine is told now.
 *
 * Situation: an operator may set, while a machine replicates, that it is to come by another address; and that address may
 * be one that the machine does not reach. Mechanism: what is told follows from two settings, those that have taken effect
 * (`applied`, in state) and those that the machine has now. As long as they differ in a way that takes addresses away, the
 * machine is told both, the old ones first, so that its session stays where it is; `WayChanges` lets the new ones take effect
 * when the agent has reached one of them. What only adds addresses, or orders them otherwise, takes effect at once.
 * Special cases: a machine that never sent data has nothing that could be cut off. What the installation itself finds (a load
 * balancer that gets another address) is told as it is: the old address does not lead there any more.
 */
import type { BlockStreamSettings, DescribeNetworkResponse, PendingBlockStreamChange } from '@lms/proto';
import { AS_FOUND, distinct, namedWays, withdrawnWays, type Endpoint } from './block-stream-ways.ts';
import { describeNetwork, type MachineParts } from './describe-network.ts';
import type { StagingDriver } from './driver.ts';
import type { Machines } from './machines.ts';
import type { StagingStore } from './store.ts';
import { blockStreamSettings, isSameSettings } from './stored-ways.ts';

const NOT_LOOKED_AT = 'The agent is about to be asked whether it reaches one of these addresses.';

export interface MachineWaysOptions {
  readonly store: Pick<StagingStore, 'assignments' | 'servers' | 'ways' | 'initiations'>;
  readonly driver: Pick<StagingDriver, 'place' | 'usualWays' | 'waysOf'>;
  readonly machines: Pick<Machines, 'get'>;
}

export interface DescribedWays {
  readonly named: readonly Endpoint[];
  readonly wanted: readonly Endpoint[];
  /** Those of `named` that are not wanted. */
  readonly withdrawn: readonly Endpoint[];
  readonly pending: PendingBlockStreamChange | undefined;
}

export class MachineWays {
  readonly #options: MachineWaysOptions;

  constructor(options: MachineWaysOptions) {
    this.#options = options;
  }

  /** In the order to try; empty: there is no replication server for it yet, or no address of it. */
  named(machineId: string): readonly Endpoint[] {
    const { before, after } = this.compare(machineId);
    if (after.length === 0) return before;
    return withdrawnWays(before, after).length === 0 ? after : distinct([...before, ...after]);
  }

  /** What the settings that have taken effect name, and what others do; without others, those that the machine has. */
  compare(machineId: string, settings = this.settingsOf(machineId)) {
    const before = this.#waysBy(machineId, this.appliedOf(machineId));
    return { before, after: this.#waysBy(machineId, settings) };
  }

  /** Of all machines; `settings` are those of machines for which nothing is set. */
  network(settings: BlockStreamSettings | undefined): DescribeNetworkResponse {
    const { store, driver } = this.#options;
    const reported = store.servers.entries()[0]?.value ?? null;
    const machines = store.assignments.entries().flatMap(({ key: machineId, value }): MachineParts[] => {
      const server = store.servers.get(value.replicationServer);
      if (server === null) return [];
      return [{ machineId, found: driver.waysOf(server.key, server.value), settings: this.settingsOf(machineId) }];
    });
    return describeNetwork({ place: driver.place, usual: driver.usualWays(reported), settings, machines });
  }

  describe(machineId: string, settings = this.settingsOf(machineId)): DescribedWays {
    const { before, after } = this.compare(machineId, settings);
    const withdrawn = withdrawnWays(before, after);
    const takesEffect = before.length === 0 || (after.length > 0 && withdrawn.length === 0);
    const pending = takesEffect || isSameSettings(settings, this.appliedOf(machineId));
    return {
      named: this.named(machineId),
      wanted: after,
      withdrawn,
      pending: pending ? undefined : this.#pending(machineId, settings),
    };
  }

  settingsOf(machineId: string): BlockStreamSettings {
    return this.#options.machines.get(machineId)?.settings?.blockStream ?? this.appliedOf(machineId);
  }

  appliedOf(machineId: string): BlockStreamSettings {
    const { store, machines } = this.#options;
    const applied = store.ways.get(machineId)?.value.applied;
    if (applied !== undefined) return blockStreamSettings(applied);
    // Nothing was ever moved. Of what sends data already, releases before this one named all that was found.
    const settings = machines.get(machineId)?.settings?.blockStream;
    return settings === undefined || this.#sendsData(machineId) ? AS_FOUND : settings;
  }

  #sendsData(machineId: string): boolean {
    const steps = this.#options.store.initiations.get(machineId)?.value.steps ?? [];
    return steps.some(({ step, state }) => step === 'START_DATA_TRANSFER' && state === 'SUCCEEDED');
  }

  #pending(machineId: string, settings: BlockStreamSettings): PendingBlockStreamChange {
    const pending = this.#options.store.ways.get(machineId)?.value.pending ?? null;
    if (pending === null || !isSameSettings(blockStreamSettings(pending.wanted), settings)) {
      return { since: new Date(), reason: NOT_LOOKED_AT, nextCheckAt: undefined };
    }
    const { since, reason, nextCheckAt } = pending;
    return {
      since: new Date(since),
      reason,
      nextCheckAt: nextCheckAt === null ? undefined : new Date(nextCheckAt),
    };
  }

  #waysBy(machineId: string, settings: BlockStreamSettings): readonly Endpoint[] {
    const { store, driver } = this.#options;
    const name = store.assignments.get(machineId)?.value.replicationServer;
    const server = name === undefined ? null : store.servers.get(name);
    return server === null ? [] : namedWays(driver.waysOf(server.key, server.value), settings);
  }
}
