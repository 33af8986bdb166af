/** Figures of each machine's replica, every few seconds; while the manager is away they wait, bounded. */
import { statfs } from 'node:fs/promises';
import { MAXIMUM_STATISTICS_BATCH } from '@lms/api';
import type { ReplicationServerStatistics } from '@lms/api';
import { pause } from '@lms/service';
import type { MachineReplica } from '../core/machine-replica.ts';
import type { Refusal } from '../refusals.ts';
import { Spool } from './spool.ts';

const EVERY_MILLISECONDS = 3_000;
/** Counting what a folder occupies walks through it: a tenth as often as the rest. */
const USED_BYTES_EVERY_SAMPLES = 10;
/** Batches that wait for a manager that is away; the newest say the most. */
const CAPACITY_SAMPLES = MAXIMUM_STATISTICS_BATCH;

export interface StatisticsOptions {
  readonly dataFolder: string;
  readonly replicas: () => readonly MachineReplica[];
  readonly refusals: (machineId: string) => readonly Refusal[];
  readonly bandwidthLimitBitsPerSecond: () => number | null;
  readonly send: (batch: readonly ReplicationServerStatistics[], signal: AbortSignal) => Promise<void>;
}

export class StatisticsReports {
  readonly #options: StatisticsOptions;
  readonly #spool = new Spool<ReplicationServerStatistics>(CAPACITY_SAMPLES);
  readonly #usedBytes = new Map<string, number>();
  #samples = 0;

  constructor(options: StatisticsOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    do {
      await this.sample();
      await this.#flush(signal);
    } while (await pause(EVERY_MILLISECONDS, signal));
  }

  async sample(): Promise<void> {
    const replicas = this.#options.replicas();
    if (this.#samples % USED_BYTES_EVERY_SAMPLES === 0) await this.#measureUse(replicas);
    this.#samples += 1;
    const space = await statfs(this.#options.dataFolder);
    const shared = {
      at: new Date().toISOString(),
      freeBytes: space.bavail * space.bsize,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: cpuSeconds(),
      bandwidthLimitBitsPerSecond: this.#options.bandwidthLimitBitsPerSecond(),
    };
    for (const replica of replicas) {
      const { machineId } = replica;
      const usedBytes = this.#usedBytes.get(machineId) ?? 0;
      const refusals = [...this.#options.refusals(machineId)];
      this.#spool.push({ ...shared, machineId, usedBytes, ...replica.statistics(), refusals });
    }
  }

  async #measureUse(replicas: readonly MachineReplica[]): Promise<void> {
    for (const replica of replicas) {
      try {
        this.#usedBytes.set(replica.machineId, await (await replica.store()).usedBytes());
      } catch {
        // A store that cannot be opened says so to its sessions and in the log; its last figure stays.
      }
    }
  }

  async #flush(signal: AbortSignal): Promise<void> {
    while (this.#spool.length > 0) {
      const batch = this.#spool.take(MAXIMUM_STATISTICS_BATCH);
      try {
        await this.#options.send(batch, signal);
      } catch {
        this.#spool.putBack(batch);
        return;
      }
    }
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
