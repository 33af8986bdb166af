// Our side: manager, replication server and agent as their user has them, measured from the agent's own log.

import { join } from 'node:path';
import { Agent } from '../harness/agent.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import type { LoopDisk } from '../harness/loop-disk.ts';
import { Manager } from '../harness/manager.ts';
import { cpuSeconds, loopbackMebibytes, peakResidentMebibytes } from './meter.ts';
import type { CopyMeasurement } from './peer.ts';

const LIMIT = { timeoutMilliseconds: 300_000, pollMilliseconds: 20 };

export type ScanMessage = 'initial sync is complete' | 'rescan is complete' | 'catching up is complete';

interface LogLine {
  readonly message: string;
  readonly seconds?: number;
}

export class Product {
  readonly manager: Manager;
  readonly #folder: string;
  readonly #cleanup: Cleanup;
  #machines = 0;

  private constructor(manager: Manager, folder: string, cleanup: Cleanup) {
    this.manager = manager;
    this.#folder = folder;
    this.#cleanup = cleanup;
  }

  static async start(folder: string, cleanup: Cleanup): Promise<Product> {
    const manager = await Manager.create({ dataFolder: join(folder, 'manager'), logFolder: folder, cleanup });
    await manager.start();
    return new Product(manager, folder, cleanup);
  }

  async enrol(disk: LoopDisk): Promise<Agent> {
    this.#machines += 1;
    const name = `bench-${this.#machines}`;
    const agent = new Agent({
      manager: this.manager,
      name,
      disks: [disk.device],
      stateFolder: join(this.#folder, name),
      logFolder: this.#folder,
      cleanup: this.#cleanup,
    });
    await agent.enrol();
    return agent;
  }

  /**
   * Seconds: from the session's begin to the acknowledgement that makes the last block durable, by the agent's own clock.
   * Processor time and bytes: from before `begin`, so that the start of the agent and its calls to the manager count too.
   */
  async measure(agent: Agent, message: ScanMessage, begin: () => Promise<void> | void): Promise<CopyMeasurement> {
    const linesBefore = this.#lines(agent).length;
    const replicationServer = await this.#replicationServerPid();
    const cpu = (): number => (agent.started ? cpuSeconds(agent.process.pid) : 0) + cpuSeconds(replicationServer);
    const cpuBefore = cpu();
    const wireBefore = loopbackMebibytes();
    await begin();
    const find = (): LogLine | undefined =>
      this.#lines(agent)
        .slice(linesBefore)
        .find((line) => line.message === message);
    const { seconds } = await waitFor(message, find, LIMIT);
    if (seconds === undefined) throw new Error(`the agent does not say how long: ${message}`);
    return { seconds, cpuSeconds: cpu() - cpuBefore, wireMebibytes: loopbackMebibytes() - wireBefore };
  }

  async peakResidentMebibytes(agent: Agent): Promise<{ readonly agent: number; readonly replicationServer: number }> {
    return {
      agent: peakResidentMebibytes(agent.process.pid),
      replicationServer: peakResidentMebibytes(await this.#replicationServerPid()),
    };
  }

  async #replicationServerPid(): Promise<number> {
    const status = await this.manager.ask((api, signal) => api.status(signal));
    const pid = status.components.find(({ name }) => name === 'replication-server')?.pid;
    if (typeof pid !== 'number') throw new Error('there is no replication server');
    return pid;
  }

  #lines(agent: Agent): LogLine[] {
    if (!agent.started) return [];
    const lines: LogLine[] = [];
    for (const line of agent.process.log().split('\n'))
      if (line.startsWith('{')) lines.push(JSON.parse(line) as LogLine);
    return lines;
  }
}
