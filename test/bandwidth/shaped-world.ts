// Source machines behind links of a given rate, and a manager that has all the bandwidth it wants. Each source has a disk with a
// file system and a file as large as the disks that traces were recorded of; traces are replayed into that file.

import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../harness/agent.ts';
import { BackgroundProcess } from '../harness/background-process.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { requireCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { Manager } from '../harness/manager.ts';
import type { Host } from '../harness/network/host.ts';
import { TestNetwork } from '../harness/network/network.ts';
import { LMS_AGENT } from '../harness/operator.ts';
import type { BandwidthReport } from './bandwidth-report.ts';
import { fillWithRatio } from './compressible.ts';

const TRACED_MEBIBYTES = 256;
const DISK_MEBIBYTES = 320;
/** This process's own: the machine's PATH may have another. */
const NODE = process.execPath;

export interface LagLook {
  readonly atSeconds: number;
  readonly lagSeconds: number | null;
  readonly replicationState: string | null;
  readonly point: { readonly sequence: number; readonly instantSeconds: number } | null;
}

export class ShapedWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'lms-bandwidth-'));
  readonly logFolder = join(this.folder, 'logs');
  readonly cleanup = new Cleanup();
  #network: TestNetwork | null = null;
  #manager: Manager | null = null;
  #managerHost: Host | null = null;

  constructor() {
    mkdirSync(this.logFolder);
    this.cleanup.add('remove the folder', () => rmSync(this.folder, { recursive: true, force: true }));
  }

  get manager(): Manager {
    if (this.#manager === null) throw new Error('the manager was not started yet');
    return this.#manager;
  }

  get managerAddress(): string {
    if (this.#managerHost === null) throw new Error('the manager was not started yet');
    return this.#managerHost.address;
  }

  async waitUntilConnected(agent: Agent): Promise<void> {
    await waitFor(`${agent.name} to be connected`, async () => (await agent.status()).connected);
  }

  async startManager(): Promise<void> {
    const network = await this.#networkOf();
    const host = await network.addHost('manager');
    const { folder, logFolder, cleanup } = this;
    this.#manager = await Manager.create({ dataFolder: join(folder, 'manager'), logFolder, cleanup, host });
    await this.#manager.start();
    this.#managerHost = host;
  }

  /** `ratio`: what zstd leaves of the file's content, about. */
  async addSource(name: string, ratio: number): Promise<ShapedSource> {
    const network = await this.#networkOf();
    const host = await network.addHost(name);
    const { folder, cleanup } = this;
    const disk = await LoopDisk.create({ folder, name, sizeBytes: DISK_MEBIBYTES * 1024 * 1024, cleanup });
    await requireCommand('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', disk.device]);
    const file = join(await disk.mount(), 'replayed');
    fillFile(file, TRACED_MEBIBYTES, ratio);
    await requireCommand('sync', ['--file-system', file]);
    return new ShapedSource(this, network, host, disk, file);
  }

  /** With a disk that has no file system, and holds data from its beginning to its end. */
  async addFullSource(name: string, mebibytes: number, ratio: number): Promise<ShapedSource> {
    const network = await this.#networkOf();
    const host = await network.addHost(name);
    const { folder, cleanup } = this;
    const disk = await LoopDisk.create({ folder, name, sizeBytes: mebibytes * 1024 * 1024, cleanup });
    fillFile(disk.device, mebibytes, ratio);
    await requireCommand('sync', ['--data', disk.device]);
    return new ShapedSource(this, network, host, disk, disk.device);
  }

  /** Looks at a machine's lag as operators see it, until it is ended; returns all looks. */
  watchLag(machine: string): () => Promise<readonly LagLook[]> {
    const logPath = join(this.logFolder, `lag-${machine}-${performance.now()}.jsonl`);
    const placed = (this.#managerHost as Host).place.command(
      NODE,
      '--no-warnings',
      join(import.meta.dirname, 'lag-watch.fixture.ts'),
      this.manager.contextPath,
      machine,
    );
    const watch = new BackgroundProcess({ ...placed, logPath });
    this.cleanup.add(`end the watch over ${machine}`, async () => watch.end());
    return async () => {
      await watch.end();
      const lines = readFileSync(logPath, 'utf8').split('\n');
      return lines.flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as LagLook] : []));
    };
  }

  async #networkOf(): Promise<TestNetwork> {
    const { folder, cleanup } = this;
    this.#network ??= await TestNetwork.create({ folder, cleanup });
    return this.#network;
  }
}

/** The same kind of data as replays write: what they leave of a block must not compress otherwise than what they write. */
function fillFile(path: string, mebibytes: number, ratio: number): void {
  const mebibyte = Buffer.alloc(1024 * 1024);
  fillWithRatio(mebibyte, ratio);
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT);
  for (let count = 0; count < mebibytes; count++) writeSync(file, mebibyte);
  closeSync(file);
}

export interface Replay {
  readonly trace: string;
  /** What zstd leaves of the written bytes, about. */
  readonly ratio: number;
  readonly seconds: number;
}

export class ShapedSource {
  readonly host: Host;
  readonly disk: LoopDisk;
  readonly #world: ShapedWorld;
  readonly #network: TestNetwork;
  readonly #file: string;

  constructor(world: ShapedWorld, network: TestNetwork, host: Host, disk: LoopDisk, file: string) {
    this.#world = world;
    this.#network = network;
    this.host = host;
    this.disk = disk;
    this.#file = file;
  }

  get stateFolder(): string {
    return join(this.#world.folder, `agent-${this.name}`);
  }

  get name(): string {
    return this.host.name;
  }

  async shape(bitsPerSecond: number): Promise<void> {
    await this.#network.shape(this.host, bitsPerSecond);
  }

  /** Returns when the first write is due; the process ends by itself. */
  async startReplay({ trace, ratio, seconds }: Replay): Promise<BackgroundProcess> {
    const { logFolder, cleanup } = this.#world;
    const replay = new BackgroundProcess({
      program: NODE,
      parameters: [
        '--no-warnings',
        join(import.meta.dirname, 'replay.fixture.ts'),
        trace,
        this.#file,
        String(ratio),
        String(seconds),
      ],
      logPath: join(logFolder, `replay-${this.name}-${performance.now()}.log`),
    });
    cleanup.add(`end the replay on ${this.name}`, async () => replay.end());
    await waitFor('the replay to begin', () => replay.log().includes('began'));
    return replay;
  }

  /** `lms-agent bandwidth` on this machine; returns its JSON. */
  async bandwidth(...words: readonly string[]): Promise<BandwidthReport> {
    const { program, parameters } = this.host.place.command(LMS_AGENT, 'bandwidth', ...words, '-o', 'json');
    return JSON.parse(await requireCommand(program, parameters)) as BandwidthReport;
  }

  /** Enrolled, with these settings, and running. */
  async startAgent(settings: readonly string[]): Promise<Agent> {
    const { logFolder, cleanup, manager } = this.#world;
    const agent = new Agent({
      manager,
      name: this.name,
      disks: [this.disk.device],
      stateFolder: this.stateFolder,
      logFolder,
      cleanup,
      place: this.host.place,
    });
    await agent.enrol();
    const set = await manager.command('machine', 'settings', this.name, ...settings);
    if (set.exitCode !== 0) throw new Error(set.stderr);
    agent.start();
    return agent;
  }
}
