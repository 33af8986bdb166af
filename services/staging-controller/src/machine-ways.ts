/** Which addresses of its replication server a machine is told now. */
import type { BlockStreamSettings, DescribeNetworkResponse, PendingBlockStreamChange } from '@lms/proto';
import { namedWays, withdrawnWays, type Endpoint } from './block-stream-ways.ts';
import { describeNetwork, type MachineParts } from './describe-network.ts';
import type { StagingDriver } from './driver.ts';
import type { Machines } from './machines.ts';
import type { StagingStore } from './store.ts';

export interface MachineWaysOptions {
  readonly store: Pick<StagingStore, 'assignments' | 'servers'>;
  readonly driver: Pick<StagingDriver, 'place' | 'usualWays' | 'waysOf'>;
  readonly machines: Pick<Machines, 'get'>;
}

export interface DescribedWays {
  readonly named: readonly Endpoint[];
  readonly wanted: readonly Endpoint[];
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
    return this.#waysBy(machineId, this.#settingsOf(machineId));
  }

  /** `settings`: what would be, were these its settings; absent: those that it has. */
  describe(machineId: string, settings = this.#settingsOf(machineId)): DescribedWays {
    const named = this.named(machineId);
    const wanted = this.#waysBy(machineId, settings);
    return { named, wanted, withdrawn: withdrawnWays(named, wanted), pending: undefined };
  }

  /** Of all machines; `settings` are those of machines for which nothing is set. */
  network(settings: BlockStreamSettings | undefined): DescribeNetworkResponse {
    const { store, driver } = this.#options;
    const reported = store.servers.entries()[0]?.value ?? null;
    const machines = store.assignments.entries().flatMap(({ key: machineId, value }): MachineParts[] => {
      const server = store.servers.get(value.replicationServer);
      if (server === null) return [];
      return [{ machineId, found: driver.waysOf(server.key, server.value), settings: this.#settingsOf(machineId) }];
    });
    return describeNetwork({ place: driver.place, usual: driver.usualWays(reported), settings, machines });
  }

  #settingsOf(machineId: string): BlockStreamSettings | undefined {
    return this.#options.machines.get(machineId)?.settings?.blockStream;
  }

  #waysBy(machineId: string, settings: BlockStreamSettings | undefined): readonly Endpoint[] {
    const { store, driver } = this.#options;
    const name = store.assignments.get(machineId)?.value.replicationServer;
    const server = name === undefined ? null : store.servers.get(name);
    return server === null ? [] : namedWays(driver.waysOf(server.key, server.value), settings);
  }
}
