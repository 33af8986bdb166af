/** The source: its disks, which outlive everything, and its boots, each with a kernel, file systems, writers, and an agent. */
import type { ReplicationSettings } from '../../../services/agent/src/core/index.ts';
import type { Fault } from '../faults.ts';
import type { Network } from '../network/network.ts';
import type { FreezeLedger } from '../oracle/freeze-ledger.ts';
import type { Timeline } from '../oracle/timeline.ts';
import type { Random } from '../time/random.ts';
import type { Scheduler } from '../time/scheduler.ts';
import type { WallClock } from '../time/simulated-clock.ts';
import { AgentHost } from './agent-host.ts';
import { BlockLayer } from './block-layer.ts';
import { Boot } from './boot.ts';
import { SimulatedDisk, type DiskShape } from './disk.ts';
import { MountedFileSystem } from './mounts.ts';
import type { OrderedWrites } from './ordered-writes.ts';
import { startWriters, type Load } from './writers.ts';

export const FIRST_BOOT_ID = 'boot-1';

export interface SourceShape {
  readonly disks: readonly DiskShape[];
  readonly processors: number;
  readonly ringCapacity: number;
  readonly poolBuffers: number;
  /** Indexes of disks that carry a mounted file system. */
  readonly mountedDisks: readonly number[];
  readonly settings: ReplicationSettings;
}

export interface SourceWorld {
  readonly shape: SourceShape;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly wallClock: WallClock;
  readonly network: Network;
  readonly timeline: Timeline;
  readonly orderedWrites: OrderedWrites;
  readonly freezes: FreezeLedger;
  readonly load: Load;
  readonly stepNames: Map<string, number>;
  readonly log: (line: string) => void;
  readonly fired: (fault: Fault) => void;
  readonly beforeStep: (agent: AgentHost) => void;
  readonly agentDied: () => void;
}

export class SourceMachine {
  readonly disks: readonly SimulatedDisk[];
  readonly #world: SourceWorld;
  #boots = 0;
  #boot: Boot | null = null;
  #blockLayer: BlockLayer | null = null;
  #mounts: MountedFileSystem[] = [];
  #agent: AgentHost | null = null;

  constructor(world: SourceWorld) {
    this.#world = world;
    this.disks = world.shape.disks.map((shape, index) => new SimulatedDisk(index, shape, world.timeline));
  }

  /** Null while the machine is off. */
  get boot(): Boot | null {
    return this.#boot?.alive === true ? this.#boot : null;
  }

  get blockLayer(): BlockLayer | null {
    return this.boot === null ? null : this.#blockLayer;
  }

  get mounts(): readonly MountedFileSystem[] {
    return this.boot === null ? [] : this.#mounts;
  }

  /** Null while none runs. */
  get agent(): AgentHost | null {
    return this.#agent?.process.alive === true ? this.#agent : null;
  }

  start(): void {
    const { scheduler, random, shape, timeline, orderedWrites, load, log, fired } = this.#world;
    const boot = new Boot(`boot-${++this.#boots}`, shape.processors, scheduler, random.stream(`boot ${this.#boots}`));
    const blockLayer = new BlockLayer(boot, timeline, random.stream(`block layer of ${boot.bootId}`));
    this.#boot = boot;
    this.#blockLayer = blockLayer;
    for (const disk of this.disks) disk.writesInFlight = 0;
    this.#mounts = [];
    for (const index of shape.mountedDisks) this.mount(index, random.chance(0.9));
    orderedWrites.settle(({ disk, sector, version }) => this.disks[disk]?.versionAt(sector) === version);
    log(`source: ${boot.bootId}`);
    startWriters({
      boot,
      blockLayer,
      timeline,
      disks: this.disks,
      mounts: () => this.mounts,
      orderedWrites,
      random: random.stream(`writers of ${boot.bootId}`),
      load,
      fired,
    });
    this.startAgent();
  }

  mount(diskIndex: number, freezable: boolean): void {
    const { boot, blockLayer } = this;
    if (boot === null || blockLayer === null) return;
    const { freezes, scheduler, random } = this.#world;
    const disk = this.disks[diskIndex] as SimulatedDisk;
    const mount = new MountedFileSystem(`/mnt/${diskIndex}`, [disk], freezable, boot, blockLayer, random.fork(), {
      frozen: (frozen) => freezes.frozen(frozen, scheduler.nowMicroseconds),
      thawed: (thawed) => freezes.thawed(thawed, scheduler.nowMicroseconds),
    });
    this.#mounts.push(mount);
    freezes.mounted(mount, scheduler.nowMicroseconds);
  }

  unmount(mount: MountedFileSystem): void {
    this.#mounts = this.#mounts.filter((other) => other !== mount);
    this.#world.freezes.unmounted(mount, this.#world.scheduler.nowMicroseconds);
  }

  startAgent(): void {
    const { boot, blockLayer } = this;
    if (boot === null || blockLayer === null || this.agent !== null) return;
    const { shape } = this.#world;
    const agent = new AgentHost({
      ...this.#world,
      boot,
      blockLayer,
      disks: this.disks,
      mounts: () => this.mounts,
      random: this.#world.random.fork(),
      settings: shape.settings,
      poolBuffers: shape.poolBuffers,
      ringCapacity: shape.ringCapacity,
    });
    this.#agent = agent;
    this.#world.log('agent started');
    agent.process.onDeath((stepName) => {
      this.#world.network.processDied(agent.process);
      this.#world.agentDied();
      const { random, log } = this.#world;
      log(`agent died at ${stepName}`);
      boot.after(random.between(20_000, 3_000_000), () => this.startAgent());
    });
  }

  /** Power is gone, without a word to anybody; the machine comes back by itself. */
  reboot(): void {
    const { boot } = this;
    if (boot === null) return;
    const { log, scheduler, network, freezes, random } = this.#world;
    log('source lost power');
    const agent = this.agent;
    for (const mount of this.#mounts) {
      freezes.unmounted(mount, scheduler.nowMicroseconds);
      freezes.thawed(mount, scheduler.nowMicroseconds);
    }
    boot.end();
    if (agent !== null) {
      network.machineDied(agent.process);
      agent.process.kill('power lost');
    }
    scheduler.after(random.between(1_000_000, 20_000_000), () => this.start());
  }
}
