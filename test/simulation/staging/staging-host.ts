/**
 * The replication server as a process on a host with a disk of its own: the real `MachineReplicas` on the real staging
 * store, on a file system that loses what was not fsynced.
 */
import type { FrameConnection } from '@lms/block-stream';
import {
  MachineReplicas,
  type MachineAssignment,
  type StagedPoint,
  type StagingStore,
} from '../../../services/replication-server/src/index.ts';
import { openStagingStore } from '@lms/replication-server/store';
import {
  simulatedError,
  SimulatedFileSystem,
  type SimulatedOperation,
  type Verdict,
} from '@lms/replication-server/simulated';
import type { Network } from '../network/network.ts';
import { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Scheduler } from '../time/scheduler.ts';
import { simulatedClock, type WallClock } from '../time/simulated-clock.ts';
import { watchStore, type FrameCall } from './watched-store.ts';

export const MACHINE_ID = 'machine-1';
const FLOOR_BYTES = 4 * 1024 * 1024;
const ROOMY_BYTES = 2 ** 40;
const TYPICAL_OPERATION_MICROSECONDS = 60;
/** Operations that take no time of their own: they are answered from memory. */
const INSTANT_CHANCE = 0.5;

export interface StagingObserver {
  /** The commit has returned, nobody was told yet. */
  committed(store: StagingStore, point: StagedPoint): Promise<void>;
  pointsChanged(points: readonly StagedPoint[]): void;
  /** The store was opened by a new process. */
  opened(store: StagingStore): Promise<void>;
  /** R8: the session that broke the protocol has its way with the store. */
  storeCalledByHostile(call: FrameCall): void;
  /** R11: a session began while the one before it could still change the store. */
  sessionsOverlap(running: number, started: number): void;
}

export interface StagingWorld {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly wallClock: WallClock;
  readonly network: Network;
  readonly observer: StagingObserver;
  readonly log: (line: string) => void;
  readonly beforeStep: () => void;
  readonly bootId: string;
  readonly wholeDiskNumbers: readonly number[];
  readonly assignment: MachineAssignment;
  readonly canClone: boolean;
}

type EndKind = 'kill' | 'powerCut';

interface PlannedEnd {
  readonly kind: EndKind;
  readonly ended: () => void;
  remaining: number;
}

export class StagingHost {
  readonly storage: SimulatedFileSystem;
  readonly #world: StagingWorld;
  #process: SimulatedProcess | null = null;
  #replicas: MachineReplicas | null = null;
  #fencing = 0;
  #hostileGeneration: number | null = null;
  #starts = 0;
  #undisturbed = 0;
  #plannedEnd: PlannedEnd | null = null;
  #syncFailure: (() => void) | null = null;
  /** Operations that meet ENOSPC although the space looked free. */
  #outOfSpace: (() => void) | null = null;
  slowedBy = 1;

  constructor(world: StagingWorld) {
    this.#world = world;
    const { random, canClone } = world;
    this.storage = new SimulatedFileSystem({
      random: () => random.fraction(),
      capacityBytes: ROOMY_BYTES,
      canClone,
      afterDeath: 'hang',
      onOperation: (operation) => this.#judge(operation),
    });
  }

  /** Null while none runs. */
  get process(): SimulatedProcess | null {
    return this.#process?.alive === true ? this.#process : null;
  }

  get replicas(): MachineReplicas | null {
    return this.process === null ? null : this.#replicas;
  }

  /** The newest session's. */
  get generation(): number {
    return this.#fencing;
  }

  /** From now on this session has broken the protocol: nothing that it sent may reach the store. */
  sessionIsHostile(generation: number): void {
    this.#hostileGeneration = generation;
  }

  get endIsPlanned(): boolean {
    return this.#plannedEnd !== null;
  }

  get full(): boolean {
    return this.storage.capacityBytes !== ROOMY_BYTES || this.#outOfSpace !== null;
  }

  start(): void {
    if (this.process !== null) return;
    const { network, scheduler, log } = this.#world;
    const process = new SimulatedProcess(`replication server ${++this.#starts}`, scheduler, new Map());
    process.onStep(() => this.#world.beforeStep());
    this.#process = process;
    const replicas = this.#serve(process);
    this.#replicas = replicas;
    network.listener = {
      process,
      accept: (connection: FrameConnection) => void replicas.serve(MACHINE_ID, connection),
    };
    log(`${process.name} started`);
    void this.#openStore(replicas);
  }

  /** The process, or the host's power, ends in the middle of a file operation, some operations from now. */
  planEnd(kind: EndKind, operations: number, ended: () => void): void {
    this.#plannedEnd = { kind, ended, remaining: operations };
  }

  failNextSync(failed: () => void): void {
    this.#syncFailure = failed;
  }

  /** Others fill the file system; with `seen` as soon as a write meets it, else below the floor at once. */
  fill(suddenly: boolean, met: () => void): void {
    if (suddenly) this.#outOfSpace = met;
    else {
      this.storage.capacityBytes = this.storage.ledger.usedBytes + FLOOR_BYTES + 10_000;
      met();
    }
  }

  makeRoom(): void {
    this.#outOfSpace = null;
    this.storage.capacityBytes = ROOMY_BYTES;
  }

  /** The medium rots: one byte of one file is another one. */
  flipByte(): void {
    const { random } = this.#world;
    const files = [...this.storage.tree.files()].filter(({ size }) => size >= 4096);
    if (files.length === 0) throw new Error('the staging folder holds no data');
    const file = random.pick(files);
    const offset = random.below(file.size);
    const byte = new Uint8Array(1);
    file.read(offset, byte);
    byte[0] = (byte[0] as number) ^ (1 << random.below(8));
    file.write(offset, byte);
  }

  /** Runs `act` outside of time and without faults: how the oracle reads. */
  async undisturbed<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#undisturbed++;
    try {
      return await act();
    } finally {
      this.#undisturbed--;
    }
  }

  #end(kind: EndKind): void {
    const process = this.process;
    if (process === null) return;
    const { log, network, scheduler, random } = this.#world;
    log(`${process.name}: ${kind}`);
    if (kind === 'kill') network.processDied(process);
    else network.machineDied(process);
    network.listener = null;
    process.kill(kind);
    scheduler.after(random.between(50_000, 5_000_000), () => this.start());
  }

  #judge(operation: SimulatedOperation): Verdict | Promise<Verdict> {
    if (this.#undisturbed > 0) return 'proceed';
    this.#world.beforeStep();
    const planned = this.#plannedEnd;
    if (planned !== null && --planned.remaining <= 0) {
      this.#plannedEnd = null;
      planned.ended();
      this.#end(planned.kind);
      return planned.kind;
    }
    const error = this.#errorOf(operation);
    const { random, scheduler } = this.#world;
    const isSync = operation.kind === 'sync' || operation.kind === 'syncFolder';
    if (!isSync && this.slowedBy === 1 && random.chance(INSTANT_CHANCE)) return error ?? 'proceed';
    const typical = (isSync ? 10 : 1) * TYPICAL_OPERATION_MICROSECONDS * this.slowedBy;
    return new Promise((resolve) => {
      scheduler.after(random.latency(typical), () => resolve(error ?? 'proceed'));
    });
  }

  #errorOf({ kind, path }: SimulatedOperation): Error | null {
    if (this.#syncFailure !== null && (kind === 'sync' || kind === 'syncFolder')) {
      this.#syncFailure();
      this.#syncFailure = null;
      this.#world.log(`staging: fsync of ${path} failed`);
      return simulatedError('EIO', path);
    }
    if (this.#outOfSpace !== null && (kind === 'write' || kind === 'clone' || kind === 'create')) {
      this.#outOfSpace();
      return simulatedError('ENOSPC', path);
    }
    return null;
  }

  /** What the oracle's first look needs; a store that cannot be opened now is opened by the next hello. */
  async #openStore(replicas: MachineReplicas): Promise<void> {
    try {
      await this.#world.observer.opened(await replicas.replica(MACHINE_ID).store());
    } catch (error) {
      this.#world.log(`the store cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #serve(process: SimulatedProcess): MachineReplicas {
    const { random, wallClock, observer, log, assignment, bootId, wholeDiskNumbers } = this.#world;
    const fileSystem = this.storage.mount();
    let store: StagingStore | null = null;
    /** Generation of the session that is not over yet. */
    let running: number | null = null;
    return new MachineReplicas({
      clock: simulatedClock(process, wallClock),
      location: {
        bootId,
        wholeDiskNumbers: () => process.call('location', random.latency(100), () => wholeDiskNumbers),
      },
      fencing: { next: () => process.call('fencing.next', random.latency(500), () => ++this.#fencing) },
      observer: {
        sessionStarted: (_machine, generation) => {
          log(`server: session ${generation} started`);
          if (running !== null) observer.sessionsOverlap(running, generation);
          running = generation;
        },
        sessionEnded: (_machine, error) => {
          log(`server: session ended: ${error === null ? 'in order' : error.message}`);
          running = null;
        },
        aroundCheckpoint: async (_machine, _frame, commit) => {
          const point = await commit();
          if (store !== null) await observer.committed(store, point);
          return point;
        },
        pointsChanged: (_machine, points) => observer.pointsChanged(points),
        warn: (_machine, error) => log(`server warns: ${error.message}`),
      },
      openStore: async () => {
        const opened = await openStagingStore({ fileSystem, floorBytes: FLOOR_BYTES });
        store = watchStore(opened, (call) => {
          if (call === 'ensureDisks') {
            if (running !== null) observer.sessionsOverlap(running, this.#fencing);
          } else if (this.#fencing === this.#hostileGeneration) observer.storeCalledByHostile(call);
        });
        return store;
      },
      hasRoom: () =>
        process.call('hasRoom', random.latency(100), () => {
          const { capacityBytes, ledger } = this.storage;
          return capacityBytes - ledger.usedBytes > 2 * FLOOR_BYTES;
        }),
      assignment: () => assignment,
    });
  }
}
