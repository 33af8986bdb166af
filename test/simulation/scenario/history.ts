/**
 * One history: a source, a network and a staging host made from a seed, some minutes of their life with everything that
 * can go wrong, and then a quiet time in which all must come right again.
 */
import { crc32 } from 'node:zlib';
import type { Frame } from '@lms/block-stream';
import { FaultTable, type Fault, type ProtocolStep } from '../faults.ts';
import { Network } from '../network/network.ts';
import { FreezeLedger } from '../oracle/freeze-ledger.ts';
import { Oracle, OracleViolation } from '../oracle/oracle.ts';
import { Timeline } from '../oracle/timeline.ts';
import { ProcessKilled, type SimulatedProcess } from '../process.ts';
import { OrderedWrites, RESERVED_SECTORS } from '../source/ordered-writes.ts';
import { SourceMachine } from '../source/source-machine.ts';
import type { AgentHost } from '../source/agent-host.ts';
import { MACHINE_ID, StagingHost } from '../staging/staging-host.ts';
import { Random } from '../time/random.ts';
import { Scheduler } from '../time/scheduler.ts';
import { WallClock } from '../time/simulated-clock.ts';
import { Chaos } from './chaos.ts';
import { chooseProfile, type Profile } from './profile.ts';
import type { Load } from '../source/writers.ts';

const LIMIT_EVENTS = 3_000_000;
/** Back-offs, silences and rescans may add up; nothing may take longer than this to come right. */
const CONVERGENCE_MICROSECONDS = 600_000_000;
const TRACE_LINES = 400;
/** The guardian's notice of a closed pipe, and its thaw. */
const THAW_AFTER_DEATH_MICROSECONDS = 100_000;
/** R10: what each end may keep waiting, with one frame more than its window for what is under way. */
const WAITING_BYTES = { agent: 6 * 1024 * 1024, server: 10 * 1024 * 1024 } as const;

export interface HistoryResult {
  readonly seed: number;
  readonly story: string;
  /** Of the whole trace: the same for the same seed. */
  readonly digest: string;
  readonly faults: FaultTable;
  readonly failure: Error | null;
  /** The last lines of what happened. */
  readonly trace: readonly string[];
  readonly eventsRun: number;
  readonly virtualSeconds: number;
  readonly pointsChecked: number;
  readonly blocksChecked: number;
}

export class History {
  readonly random: Random;
  readonly scheduler = new Scheduler();
  readonly faults = new FaultTable();
  readonly profile: Profile;
  readonly load: Load;
  readonly network: Network;
  readonly source: SourceMachine;
  readonly staging: StagingHost;
  readonly oracle: Oracle;
  readonly sourceClock: WallClock;
  readonly stagingClock: WallClock;
  readonly freezes = new FreezeLedger((message) => this.fail(new OracleViolation('R17', message)));
  readonly timeline: Timeline;
  readonly chaos: Chaos;
  readonly #seed: number;
  readonly #trace: string[] = [];
  #failure: Error | null = null;
  #finished = false;
  #digest = 0;
  /** By checkpoint id: its point may not name an earlier instant. */
  readonly #attemptBegan = new Map<string, number>();
  #requests = 0;

  constructor(seed: number) {
    this.#seed = seed;
    const root = new Random(seed);
    this.profile = chooseProfile(seed, root.stream('profile'));
    this.random = root.stream(this.profile.story.name);
    this.load = { ...this.profile.load };
    this.sourceClock = new WallClock(this.scheduler);
    this.stagingClock = new WallClock(this.scheduler);
    const { scheduler, profile } = this;
    this.timeline = new Timeline(
      () => scheduler.nowMicroseconds,
      profile.source.disks.map(({ sizeBytes }) => sizeBytes / 512),
    );
    const orderedWrites = new OrderedWrites(profile.source.disks.length);
    this.oracle = new Oracle({
      timeline: this.timeline,
      orderedWrites,
      freezes: this.freezes,
      wallClock: this.sourceClock,
      diskIds: profile.source.disks.map(({ diskId }) => diskId),
    });
    this.chaos = new Chaos(this, root.stream(`faults of ${profile.story.name}`));
    this.network = new Network(scheduler, root.stream('network'), profile.network, {
      agentSent: (frame, process) => this.#agentSent(frame, process),
      agentReceived: (frame, process) => this.#agentReceived(frame, process),
      waiting: (end, bytes) => this.#checkMemory(end, bytes),
    });
    const log = (line: string): void => this.log(line);
    this.source = new SourceMachine({
      shape: profile.source,
      scheduler,
      random: root.stream('source'),
      wallClock: this.sourceClock,
      network: this.network,
      timeline: this.timeline,
      orderedWrites,
      freezes: this.freezes,
      load: this.load,
      stepNames: new Map(),
      log,
      fired: (fault) => this.fired(fault),
      beforeStep: () => this.chaos.beforeStep(),
      agentDied: () => this.#requireThawSoon(),
    });
    this.staging = new StagingHost({
      ...profile.staging,
      scheduler,
      random: root.stream('staging'),
      wallClock: this.stagingClock,
      network: this.network,
      log,
      beforeStep: () => this.chaos.beforeStep(),
      observer: {
        committed: (store, point) => this.#guard(() => this.#committed(store, point.sequence)),
        pointsChanged: (points) =>
          void this.#guard(async () =>
            this.oracle.checkSurvivors(points, profile.staging.assignment.retention, this.stagingClock.allNows()),
          ),
        opened: (store) => this.#guard(() => this.checkStore(store)),
        sessionsOverlap: (running, started) =>
          this.fail(new OracleViolation('R11', `session ${started} began while session ${running} was not over`)),
        storeCalledByHostile: (call) =>
          this.fail(new OracleViolation('R8', `the store's ${call} was called for a session that broke the protocol`)),
      },
    });
  }

  get nowMicroseconds(): number {
    return this.scheduler.nowMicroseconds;
  }

  get step(): ProtocolStep {
    return this.source.agent?.step ?? 'connect';
  }

  log(line: string): void {
    const dated = `${(this.nowMicroseconds / 1_000_000).toFixed(6).padStart(14)} ${line}`;
    this.#trace.push(dated);
    this.#digest = crc32(dated, this.#digest);
    if (this.#trace.length > 2 * TRACE_LINES) this.#trace.splice(0, TRACE_LINES);
  }

  fired(fault: Fault, step: ProtocolStep = this.step): void {
    this.faults.fired(fault, step);
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#finished = true;
  }

  /** What an operator (or a network that reconnects) can do to bring a step of the protocol about. */
  provoke(step: ProtocolStep): void {
    const { agent } = this.source;
    if (agent === null || agent.stopping) return;
    if (step === 'connect') for (const link of this.network.links) this.network.break(link, 'reset');
    // In the agent's own time: it may die of it, and not whoever asks.
    if (step === 'rescan') void Promise.resolve().then(() => agent.replicator.rescan());
    if (step === 'freeze') void this.#requestPoint(agent, 'filesystem');
    if (step === 'window' || step === 'checkpoint') void this.#requestPoint(agent, 'crash');
  }

  /** R16 for points on demand: not older than the request, and of the consistency that was asked for. */
  async #requestPoint(agent: AgentHost, consistency: 'crash' | 'filesystem'): Promise<void> {
    const askedAt = this.nowMicroseconds;
    const outcome = await agent.createPoint(`request-${++this.#requests}`, consistency, 20_000);
    this.log(`point on demand: ${outcome.state} ${outcome.state === 'failed' ? outcome.message : outcome.sequence}`);
    if (outcome.state === 'failed' || !agent.process.alive) return;
    if (consistency === 'filesystem' && outcome.consistency !== 'filesystem') {
      this.fail(new OracleViolation('R16', `point ${outcome.sequence} was asked for as filesystem-consistent`));
    }
    const instant = this.oracle.instantOf(outcome.sequence);
    if (instant !== null && instant < askedAt) {
      this.fail(new OracleViolation('R16', `point ${outcome.sequence} is older than the request that it answers`));
    }
  }

  async run(): Promise<HistoryResult> {
    const onRejection = (reason: unknown): void => {
      if (!(reason instanceof ProcessKilled)) this.fail(reason instanceof Error ? reason : new Error(String(reason)));
    };
    process.on('unhandledRejection', onRejection);
    try {
      this.#fillDisks();
      this.staging.start();
      this.source.start();
      this.profile.story(this).then(
        () => {
          this.#finished = true;
        },
        (error: unknown) => this.fail(error as Error),
      );
      await this.scheduler.run(() => this.#finished, LIMIT_EVENTS);
    } catch (error) {
      this.fail(error as Error);
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    return {
      seed: this.#seed,
      story: this.profile.story.name,
      digest: this.#digest.toString(16),
      faults: this.faults,
      failure: this.#failure,
      trace: this.#trace.slice(-TRACE_LINES),
      eventsRun: this.scheduler.eventsRun,
      virtualSeconds: this.nowMicroseconds / 1_000_000,
      pointsChecked: this.oracle.pointsChecked,
      blocksChecked: this.oracle.blocksChecked,
    };
  }

  /** Waits until the agent is continuous and has made a point that is newer than the call; then all disks are equal. */
  async converge(): Promise<void> {
    const began = this.nowMicroseconds;
    this.log('the quiet time begins');
    this.scheduler.after(5_000_000, () => this.freezes.requireThawed(began, 'after all has become quiet'));
    this.load.writesPerSecond = 0;
    const before = this.oracle.acknowledgedCount === 0 ? 0 : this.newestAcknowledged;
    for (;;) {
      await this.scheduler.pause(250_000);
      const status = this.source.agent?.status;
      if (status?.state === 'CONTINUOUS' && this.newestAcknowledged > before && this.#newestIsOfNow(began)) return;
      if (this.nowMicroseconds - began > CONVERGENCE_MICROSECONDS) {
        throw new OracleViolation('liveness', `not converged: ${JSON.stringify(status)}`);
      }
    }
  }

  newestAcknowledged = 0;
  #newestInstant = 0;

  #newestIsOfNow(beganMicroseconds: number): boolean {
    return this.#newestInstant > beganMicroseconds + 5_000_000;
  }

  /** After a process start: everything that was acknowledged is there and right. */
  async checkStore(store: Parameters<Oracle['checkPoint']>[0]): Promise<void> {
    await this.staging.undisturbed(async () => {
      this.oracle.checkSurvivors(
        store.points(),
        this.profile.staging.assignment.retention,
        this.stagingClock.allNows(),
      );
      for (const { sequence } of store.points()) await this.oracle.checkPoint(store, sequence);
    });
  }

  /** Every point that there is now, through the store of the running server. */
  async checkEverything(): Promise<void> {
    const replicas = this.staging.replicas;
    if (replicas === null) throw new Error('no replication server runs');
    await this.checkStore(await replicas.replica(MACHINE_ID).store());
  }

  /** What the disks held before the history began. */
  #fillDisks(): void {
    for (const disk of this.source.disks) {
      for (let sector = RESERVED_SECTORS; sector < disk.sectors;) {
        const count = Math.min(this.random.between(1, 300), disk.sectors - sector);
        if (this.random.chance(this.profile.contentShare)) disk.change(sector, count, this.timeline.newVersion());
        sector += count;
      }
    }
  }

  /** R17: the guardian outlives the agent, and thaws at once. What is being frozen is thawed when FIFREEZE returns. */
  #requireThawSoon(): void {
    const died = this.nowMicroseconds;
    this.scheduler.after(THAW_AFTER_DEATH_MICROSECONDS, () => this.freezes.requireThawed(died, 'after the agent died'));
  }

  #checkMemory(end: 'agent' | 'server', bytes: number): void {
    const limit = WAITING_BYTES[end];
    if (bytes > limit)
      this.fail(new OracleViolation('R10', `the ${end} keeps ${bytes} bytes waiting, at most ${limit}`));
  }

  async #committed(store: Parameters<Oracle['checkPoint']>[0], sequence: number): Promise<void> {
    this.log(`server: point ${sequence} committed`);
    const checkpointId = store.lastCheckpoint()?.checkpointId ?? '';
    const notBefore = this.#attemptBegan.get(checkpointId) ?? 0;
    await this.staging.undisturbed(() => this.oracle.checkPoint(store, sequence, notBefore));
  }

  async #guard(check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof ProcessKilled)) this.fail(error as Error);
    }
  }

  #agentSent(frame: Frame, process: SimulatedProcess): void {
    const agent = this.#agentOf(process);
    agent?.sent(frame);
    if (frame.type === 'checkpoint' && agent !== null) {
      this.#attemptBegan.set(frame.checkpointId, agent.attemptBeganMicroseconds);
    }
    if (frame.type === 'write' || frame.type === 'zero') {
      this.log(`agent sent ${frame.type} disk ${frame.diskIndex} blocks ${frame.firstBlock}+${frame.blockCount}`);
    } else if (frame.type !== 'heartbeat')
      this.log(`agent sent ${frame.type} ${'markId' in frame ? frame.markId : ''}`);
  }

  #agentReceived(frame: Frame, process: SimulatedProcess): void {
    this.#agentOf(process)?.received(frame);
    if (frame.type !== 'heartbeat') this.log(`agent received ${frame.type} ${'markId' in frame ? frame.markId : ''}`);
    if (frame.type !== 'checkpointAck') return;
    try {
      this.oracle.acknowledged(frame.checkpointId, frame.sequence);
      this.newestAcknowledged = Math.max(this.newestAcknowledged, frame.sequence);
      this.#newestInstant = this.nowMicroseconds;
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #agentOf(process: SimulatedProcess): AgentHost | null {
    const { agent } = this.source;
    return agent?.process === process ? agent : null;
  }
}
