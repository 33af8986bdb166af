/**
 * One random life of a store on the simulated file system: an agent's writes, marks, checkpoints, deletions and exports, with
 * kills, power cuts, failed fsyncs and full disks in between, each followed by an opening and the oracle's checks.
 * Repeatable by its seed.
 */
import { openStagingStore } from '../open-staging-store.ts';
import type { SimulatedOperation, Verdict } from '../simulated/index.ts';
import { SimulatedFileSystem, simulatedError } from '../simulated/index.ts';
import type { StagingStore } from '../staging-store.ts';
import type { SyncStep } from '../sync-steps.ts';
import { CrashAgent } from './crash-agent.ts';
import { CrashOracle, Violation } from './crash-oracle.ts';
import { EVEN_DISK, SHORT_DISK, seeded } from './source-disks.ts';

export interface HistoryOptions {
  readonly seed: number;
  readonly form: 'reflink' | 'journal';
  /** Actions of the agent. Default 40. */
  readonly actions?: number;
  /** A sync that returns and does nothing, each time. */
  readonly lie?: SyncStep;
  /** Cut the power at this operation of the file system, and nowhere else. Default: endings of every kind, at random. */
  readonly cutAt?: number;
  /** Half of the endings come at these steps, one after another: for orders that chance would seldom meet. */
  readonly strikes?: readonly Strike[];
}

export interface Strike {
  readonly kind: 'kill' | 'powerCut';
  readonly step: SyncStep;
}

export interface HistoryReport {
  readonly operations: number;
  readonly endings: Readonly<Record<Ending, number>>;
  /** How often each sync was made. */
  readonly steps: ReadonlyMap<SyncStep, number>;
  readonly pointsCommitted: number;
}

type Trap = 'powerCut' | 'kill' | 'failedSync' | 'fullDisk';
type Ending = 'powerCut' | 'kill' | 'close' | 'failedSync' | 'fullDisk';

/** Thrown through the agent when the process under it is gone. */
class Ended extends Error {}

export async function runHistory(options: HistoryOptions): Promise<HistoryReport> {
  return new CrashHistory(options).run();
}

class CrashHistory {
  #options: HistoryOptions;
  #random: () => number;
  #system: SimulatedFileSystem;
  #steps = new Map<SyncStep, number>();
  #endings = { powerCut: 0, kill: 0, close: 0, failedSync: 0, fullDisk: 0 };
  #store: StagingStore | null = null;
  #agent: CrashAgent;
  /** What the hook does next, and when: counted in operations. */
  #trap: { readonly kind: Trap; readonly only: ReadonlySet<string> | null; left: number } | null = null;
  /** Strikes still to come, the next first. */
  #strikes: Strike[] = [];
  #isGone = false;
  #isResumed = false;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#agent = new CrashAgent(new CrashOracle([SHORT_DISK, EVEN_DISK]), this.#random, 0);
    this.#system = new SimulatedFileSystem({
      random: this.#random,
      canClone: options.form === 'reflink',
      onOperation: (operation) => this.#onOperation(operation),
    });
  }

  async run(): Promise<HistoryReport> {
    const actions = this.#options.actions ?? 40;
    for (let done = 0; done < actions; done += 1) {
      if (
        this.#options.cutAt === undefined &&
        this.#trap === null &&
        this.#strikes.length === 0 &&
        this.#random() < 0.2
      )
        this.#setTrap();
      await this.#survive(() => this.#act());
    }
    // However it went, the last word has the power cut: whatever was promised must be there.
    this.#trap = null;
    this.#strikes = [];
    this.#end('powerCut');
    // Twice, for the cut that a history without other endings may still have to come.
    await this.#survive(() => this.#live((store) => this.#resume(store)));
    await this.#survive(() => this.#live((store) => this.#resume(store)));
    return {
      operations: this.#system.operations,
      endings: this.#endings,
      steps: this.#steps,
      pointsCommitted: this.#agent.pointsCommitted,
    };
  }

  async #survive(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (thrown) {
      if (!(thrown instanceof Ended)) throw thrown;
    }
  }

  async #act(): Promise<void> {
    await this.#live(async (store) => {
      const chance = this.#random();
      if (!this.#isResumed) {
        // Another ending may come before the agent does.
        if (chance < 0.1) this.#end('powerCut');
        else if (chance < 0.2) this.#end('kill');
        else if (chance < 0.25) await this.#close(store);
        else await this.#resume(store);
        return;
      }
      if (chance < 0.04) await this.#close(store);
      else await this.#agent.act(store);
    });
  }

  /** Opens the store when there is none, and tells an end of the process from an error of the store. */
  async #live(act: (store: StagingStore) => Promise<void>): Promise<void> {
    for (;;) {
      try {
        if (this.#store === null) {
          await this.#open();
          continue;
        }
        await act(this.#store);
        return;
      } catch (thrown) {
        if (thrown instanceof Violation || thrown instanceof Ended) throw thrown;
        if (this.#isGone) {
          this.#store = null;
          this.#isGone = false;
          throw new Ended();
        }
        await this.#afterError(thrown);
        return;
      }
    }
  }

  async #afterError(thrown: unknown): Promise<void> {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
    if (code === 'STAGING_FULL') {
      // Room comes back; whatever was refused is done again, and nothing may be lost by it.
      this.#isResumed = false;
      return;
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (!message.includes('EIO')) throw new Violation(`unexpected error: ${message}`, { cause: thrown });
    const store = this.#store;
    if (store === null) return;
    const again = await store.mark('after-failure', 1).then(
      () => null,
      (error: unknown) => error,
    );
    if (!(again instanceof Error) || !again.message.includes('EIO'))
      throw new Violation('a failed sync was forgotten (R14)');
    await store.close();
    this.#store = null;
  }

  async #open(): Promise<void> {
    const store = await openStagingStore({ fileSystem: this.#system.mount(), floorBytes: 0 });
    try {
      await this.#agent.connect(store);
    } catch (thrown) {
      if (!this.#isGone) await store.close();
      throw thrown;
    }
    this.#store = store;
    this.#isResumed = false;
  }

  async #resume(store: StagingStore): Promise<void> {
    await this.#agent.resume(store);
    this.#isResumed = true;
  }

  async #close(store: StagingStore): Promise<void> {
    await store.close();
    this.#endings.close += 1;
    this.#store = null;
    if (this.#isGone) {
      this.#isGone = false;
      throw new Ended();
    }
    if (this.#random() < 0.5) this.#end('powerCut');
  }

  #end(kind: 'powerCut' | 'kill'): void {
    this.#endings[kind] += 1;
    if (kind === 'powerCut') this.#system.powerCut();
    else this.#system.kill();
    this.#store = null;
    this.#isGone = false;
  }

  #setTrap(): void {
    const { strikes = [] } = this.#options;
    if (strikes.length > 0 && this.#random() < 0.5) {
      this.#strikes = [...strikes];
      return;
    }
    const chance = this.#random();
    const kind = chance < 0.4 ? 'powerCut' : chance < 0.75 ? 'kill' : chance < 0.88 ? 'failedSync' : 'fullDisk';
    if (kind === 'failedSync') this.#trap = { kind, only: SYNCS, left: this.#below(15) };
    else if (kind === 'fullDisk') this.#trap = { kind, only: GROWS, left: this.#below(30) };
    else if (this.#random() < 0.5) this.#trap = { kind, only: ORDERS, left: this.#below(15) };
    else this.#trap = { kind, only: null, left: this.#below(60) };
  }

  #onOperation({ index, kind, step }: SimulatedOperation): Verdict {
    if (step !== null) this.#steps.set(step, (this.#steps.get(step) ?? 0) + 1);
    if (this.#options.cutAt === index) {
      this.#endings.powerCut += 1;
      this.#isGone = true;
      return 'powerCut';
    }
    const strike = this.#strikes[0];
    if (strike !== undefined && strike.step === step) {
      this.#strikes.shift();
      this.#trap = null;
      this.#endings[strike.kind] += 1;
      this.#isGone = true;
      return strike.kind;
    }
    const trap = this.#trap;
    if (trap !== null) {
      const fits = trap.only === null || trap.only.has(kind);
      if (fits) trap.left -= 1;
      if (fits && trap.left < 0) {
        // What a kill leaves in the caches is what the next power cut may take.
        const isFollowed = trap.kind === 'kill' && this.#random() < 0.4;
        this.#trap = isFollowed ? { kind: 'powerCut', only: null, left: this.#below(40) } : null;
        this.#endings[trap.kind] += 1;
        if (trap.kind === 'failedSync') return simulatedError('EIO', String(step));
        if (trap.kind === 'fullDisk') return simulatedError('ENOSPC', kind);
        this.#isGone = true;
        return trap.kind;
      }
    }
    return step !== null && step === this.#options.lie ? 'lie' : 'proceed';
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

const GROWS: ReadonlySet<string> = new Set(['write', 'create', 'clone', 'makeFolder']);
const SYNCS: ReadonlySet<string> = new Set(['sync', 'syncFolder']);
/** Where order matters most: endings just there find what random ones seldom meet. */
const ORDERS: ReadonlySet<string> = new Set(['sync', 'syncFolder', 'rename', 'remove', 'create']);
