/**
 * The agent as a process on the source: the real `Replicator` on simulated ports, started again whenever it died.
 *
 * What it does now is known from what it says to the world (frames, freezes, phases of a point), not from its insides:
 * faults are aimed by it.
 */
import type { Frame } from '@lms/block-stream';
import {
  Replicator,
  type PointOutcome,
  type ReplicationSettings,
  type ReplicationStatus,
  type SourceDisk,
} from '../../../services/agent/src/core/index.ts';
import type { ProtocolStep } from '../faults.ts';
import type { Network } from '../network/network.ts';
import { SimulatedProcess, type KillMoment } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Scheduler } from '../time/scheduler.ts';
import { simulatedClock, type WallClock } from '../time/simulated-clock.ts';
import type { BlockLayer } from './block-layer.ts';
import type { Boot } from './boot.ts';
import { SimulatedBufferPool } from './buffer-pool.ts';
import type { SimulatedDisk } from './disk.ts';
import { GuardedFreezer } from './guarded-freezer.ts';
import type { MountedFileSystem } from './mounts.ts';
import { sourceDisk } from './source-disk.ts';
import { openTrace } from './trace-instance.ts';

export interface AgentWorld {
  readonly boot: Boot;
  readonly blockLayer: BlockLayer;
  readonly disks: readonly SimulatedDisk[];
  readonly mounts: () => readonly MountedFileSystem[];
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly wallClock: WallClock;
  readonly network: Network;
  readonly settings: ReplicationSettings;
  readonly stepNames: Map<string, number>;
  readonly poolBuffers: number;
  readonly ringCapacity: number;
  readonly log: (line: string) => void;
  /** Before each port call of the agent: where faults strike. */
  readonly beforeStep: (agent: AgentHost) => void;
}

export class AgentHost {
  readonly process: SimulatedProcess;
  readonly freezer: GuardedFreezer;
  readonly replicator: Replicator;
  readonly finished: Promise<void>;
  readonly #stop = new AbortController();
  #greeted = false;
  #marksOpen = 0;
  #phase: 'drain' | 'freeze' | 'send' | 'commit' | null = null;
  /** When the attempt under way began; its point may not name an earlier instant. */
  attemptBeganMicroseconds = 0;

  constructor(world: AgentWorld) {
    const { boot, scheduler, random } = world;
    this.process = new SimulatedProcess('agent', scheduler, world.stepNames);
    this.process.onStep(() => world.beforeStep(this));
    this.freezer = new GuardedFreezer({ boot, random, mounts: world.mounts }, this.process);
    const disks: readonly SourceDisk[] = world.disks.map((disk) => sourceDisk(disk, boot, this.process, random));
    let identifiers = 0;
    const identity = random.unsigned();
    this.replicator = new Replicator({
      disks,
      openTrace: (mode) => openTrace(mode, world, this.process),
      freezer: this.freezer,
      clock: simulatedClock(this.process, world.wallClock),
      memory: boot.memory.open(this.process, random),
      pool: new SimulatedBufferPool(this.process, world.poolBuffers),
      connect: (signal) => {
        this.#greeted = false;
        return world.network.connect(this.process, signal);
      },
      settings: world.settings,
      bootId: boot.bootId,
      agentVersion: '0.1.0',
      newIdentifier: () => `id-${identity}-${++identifiers}`,
      observer: {
        log: (level, message) => {
          if (this.process.alive) world.log(`agent ${level}: ${message}`);
        },
        beginPoint: (traceparent) => {
          this.attemptBeganMicroseconds = scheduler.nowMicroseconds;
          this.#phase = 'drain';
          return {
            traceparent,
            phase: (name) => {
              this.#phase = name;
            },
            end: () => {
              this.#phase = null;
            },
          };
        },
        frozen: () => undefined,
      },
    });
    this.finished = this.replicator.run(this.#stop.signal);
  }

  /** SIGTERM: resolves when the process has ended in order. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('SIGTERM'));
    await this.finished;
    this.process.kill('ended in order');
  }

  planDeath(occurrence: number, moment: KillMoment): void {
    this.process.planKill(null, occurrence, moment);
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  sent(frame: Frame): void {
    if (frame.type === 'mark') this.#marksOpen++;
  }

  received(frame: Frame): void {
    if (frame.type === 'helloAnswer') {
      this.#greeted = true;
      this.#marksOpen = 0;
    }
    if (frame.type === 'markAck') this.#marksOpen--;
  }

  createPoint(
    requestId: string,
    consistency: 'crash' | 'filesystem',
    timeoutMilliseconds: number,
  ): Promise<PointOutcome> {
    return this.replicator.createPoint({ requestId, consistency, timeoutMilliseconds, traceparent: '' });
  }

  /** Null when the process is dead. */
  get status(): ReplicationStatus | null {
    return this.process.observe(() => this.replicator.status());
  }

  get step(): ProtocolStep {
    if (this.freezer.freezing) return 'freeze';
    if (this.#phase === 'send' || this.#phase === 'commit') return 'checkpoint';
    if (this.#phase !== null) return 'window';
    if (!this.#greeted) return 'connect';
    if (this.#marksOpen > 0) return 'mark';
    const state = this.status?.state;
    if (state === 'INITIAL_SYNC') return 'initialSync';
    if (state === 'RESCAN') return 'rescan';
    return state === undefined || state === 'INITIATING' || state === 'DISCONNECTED' ? 'connect' : 'continuous';
  }
}
