// A source machine and a staging area with two addresses (one for 443, one for 1500) around a router, in which faults are
// made; `lms diagnose` gets nothing but the machine's name.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Diagnosis } from '@lms/api';
import { Agent } from '../../harness/agent.ts';
import type { Cleanup } from '../../harness/cleanup.ts';
import { waitFor } from '../../harness/condition.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import type { Host } from '../../harness/network/host.ts';

const MEBIBYTE = 1024 * 1024;
export const MACHINE = 'source';
/** Wire of the staging area for 1500; 443 goes by the first. */
export const BLOCK_STREAM = 1;
/** So that an address that answers nothing is soon known to be one. */
const AGENT_ENVIRONMENT = { LMS_BLOCK_STREAM_CONNECT_TIMEOUT_SECONDS: '2' };

export class World {
  readonly network: TestNetwork;
  readonly source: Host;
  readonly staging: Host;
  /** Whoever else there is in a network. */
  readonly stranger: Host;
  readonly manager: Manager;
  readonly disk: LoopDisk;
  /** What the staging area lies on. */
  readonly stagingFolder: string;
  readonly stateFolder: string;
  readonly folder: string;
  agent: Agent;
  readonly #cleanup: Cleanup;

  private constructor(parts: {
    readonly network: TestNetwork;
    readonly source: Host;
    readonly staging: Host;
    readonly stranger: Host;
    readonly manager: Manager;
    readonly disk: LoopDisk;
    readonly stagingFolder: string;
    readonly folder: string;
    readonly cleanup: Cleanup;
  }) {
    this.network = parts.network;
    this.source = parts.source;
    this.staging = parts.staging;
    this.stranger = parts.stranger;
    this.manager = parts.manager;
    this.disk = parts.disk;
    this.stagingFolder = parts.stagingFolder;
    this.folder = parts.folder;
    this.#cleanup = parts.cleanup;
    this.stateFolder = join(parts.folder, 'agent');
    this.agent = this.agentOf(this.stateFolder);
  }

  static async create(cleanup: Cleanup): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'lms-diagnose-'));
    cleanup.add('remove the folder', () => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, 'logs'));
    const network = await TestNetwork.create({ folder, cleanup });
    const source = await network.addHost('source');
    const staging = await network.addHost('staging', { links: 2 });
    const stranger = await network.addHost('stranger');
    const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 64 * MEBIBYTE, cleanup });
    // Staging leaves 512 MiB free: a disk that is not much larger is soon full.
    const store = await LoopDisk.create({ folder, name: 'staging', sizeBytes: 1_024 * MEBIBYTE, cleanup });
    await store.format('ext4');
    const stagingFolder = await store.mount();
    const manager = await Manager.create({
      dataFolder: join(stagingFolder, 'manager'),
      logFolder: join(folder, 'logs'),
      cleanup,
      host: {
        place: staging.place,
        address: staging.address,
        options: ['--block-stream', `${addressOf(staging, BLOCK_STREAM)}:1500`],
      },
    });
    await manager.start();
    const world = new World({ network, source, staging, stranger, manager, disk, stagingFolder, folder, cleanup });
    await world.agent.enrol();
    // The one that runs then, before the state folder is emptied.
    cleanup.add('stop the agent', async () => world.agent.stop());
    world.agent.start();
    return world;
  }

  /** Where agents are told to connect. */
  get blockStreamAddress(): string {
    return addressOf(this.staging, BLOCK_STREAM);
  }

  agentOf(stateFolder: string, environment: Readonly<Record<string, string>> = {}): Agent {
    return new Agent({
      manager: this.manager,
      name: MACHINE,
      disks: [this.disk.device],
      stateFolder,
      logFolder: join(this.folder, 'logs'),
      cleanup: this.#cleanup,
      place: this.source.place,
      environment: { ...AGENT_ENVIRONMENT, ...environment },
    });
  }

  /** Another process in its place, with what the kernel recorded. */
  async restartAgent(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.agent.stop();
    this.agent = this.agentOf(this.stateFolder, environment);
    this.agent.start();
  }

  /** A copy of the machine that has its state folder, and runs. */
  startCopy(): Agent {
    const stateFolder = join(this.folder, 'copy');
    cpSync(this.stateFolder, stateFolder, { recursive: true });
    const copy = this.agentOf(stateFolder);
    this.#cleanup.add('uninstall the copy', async () => copy.uninstall());
    copy.start();
    return copy;
  }

  /** Replication Settings of the machine; null: as without them. */
  async changeBlockStream(change: Readonly<Record<string, unknown>> | null): Promise<void> {
    const program = join(import.meta.dirname, 'change-settings.fixture.ts');
    const blockStream = JSON.stringify({ blockStream: change });
    await this.staging.run(process.execPath, program, this.manager.contextPath, MACHINE, blockStream);
  }

  /** Until the agent has a session by this address. */
  async waitForWay(address: string): Promise<void> {
    await waitFor(`a session by ${address}`, async () => {
      const { connected, blockStream } = await this.agent.status();
      return connected && blockStream === address;
    });
  }

  /** Connections on 1500 end, as they do when a firewall forgets them. */
  async cutSessions(): Promise<void> {
    await this.source.try('ss', ['--kill', 'dport', '=', ':1500']);
  }

  /** Rules of the router for what it forwards, in place of those of before. */
  async firewall(...rules: readonly string[]): Promise<void> {
    await this.#rules('forward { type filter hook forward priority 0; policy accept', rules);
  }

  /** Who connects to 1500 reaches this address instead; null: no longer. */
  async divert(address: string | null): Promise<void> {
    await this.#redirect(address === null ? [] : [`tcp dport 1500 dnat ip to ${address}`]);
  }

  /** An address that no host has leads to this one; null: nowhere. */
  async translate(from: string, to: string | null): Promise<void> {
    await this.#redirect(to === null ? [] : [`ip daddr ${from} dnat ip to ${to}`]);
  }

  async #redirect(rules: readonly string[]): Promise<void> {
    await this.#rules('prerouting { type nat hook prerouting priority dstnat; policy accept', rules);
  }

  async #rules(chain: string, rules: readonly string[]): Promise<void> {
    const [name] = chain.split(' ');
    const table = `table inet fault_${name}`;
    const lines = [`chain ${chain};`, ...rules, '}'];
    await this.network.router.nft([`${table} {}`, `delete ${table}`, `${table} {`, ...lines, '}', ''].join('\n'));
  }

  async diagnose(): Promise<Diagnosis> {
    const { stdout, stderr, exitCode } = await this.manager.command('diagnose', MACHINE, '-o', 'json');
    if (stdout === '') throw new Error(`lms diagnose: exit ${exitCode}: ${stderr}`);
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    if (exitCode !== (diagnosis.healthy ? 0 : 1)) throw new Error(`exit ${exitCode}: ${stdout}`);
    return diagnosis;
  }

  /** The first answer that names this cause (null: none); what was answered instead is told when it does not come. */
  async waitForCause(cause: string | null): Promise<Diagnosis> {
    let last: Diagnosis | null = null;
    try {
      return await waitFor(
        `the diagnosis ${cause}`,
        async () => {
          last = await this.diagnose();
          return last.cause === cause && last;
        },
        { timeoutMilliseconds: 40_000 },
      );
    } catch (thrown) {
      throw new Error(`instead of ${cause}: ${JSON.stringify(last, null, 1)}`, { cause: thrown });
    }
  }
}

export function addressOf(host: Host, link: number): string {
  const wire = host.links[link];
  if (wire === undefined) throw new Error(`host ${host.name} has no link ${link}`);
  return wire.address;
}
