/**
 * Brings machines to what is wanted, some at a time: looks, plans, makes the changes in their order, and stops at the first
 * that fails. A machine that failed waits longer each time, with its reason, and holds up nobody else.
 *
 * Works only while this replica leads: everything that is under way is aborted with the term.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { WantedMachine, WantedStaging } from '../driver.ts';
import type { KubernetesApi } from './api.ts';
import type { ClusterView } from './cluster-view.ts';
import type { ChangeFailure } from './diagnose.ts';
import { secretManifest, type BootstrapToken } from './manifests.ts';
import { planMachine, planRemoval, type MachinePlan, type PlanFacts, type StagingChange } from './plan-machine.ts';
import { RolloutSlots } from './rollout-slots.ts';
import { SECRET, VOLUME_CLAIM } from './resource.ts';
import type { KubernetesSettings } from './settings.ts';

const RETRY_LIMITS = { firstMilliseconds: 1_000, longestMilliseconds: 120_000 };
/** Due retries and free slots are looked for this often. */
const TICK_MILLISECONDS = 250;
/** Tokens run out, and a watch may have been told late: everything is planned again. A plan without changes costs no call. */
const LOOK_AT_ALL_MILLISECONDS = 60_000;

export interface ReconcilerOptions {
  readonly api: KubernetesApi;
  readonly view: ClusterView;
  readonly settings: KubernetesSettings;
  readonly logger: Logger;
  /** Whether writes are allowed at this instant. */
  readonly holdsLease: () => boolean;
  readonly caSha256: (signal: AbortSignal) => Promise<string>;
  readonly createToken: (machineId: string, signal: AbortSignal) => Promise<BootstrapToken>;
  /** A failure has come or gone. */
  readonly onChange: (machineId: string) => void;
}

interface Failed {
  readonly backOff: BackOff;
  readonly failure: ChangeFailure;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #dirty = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #failed = new Map<string, Failed>();
  readonly #rollouts: RolloutSlots;
  #wanted: WantedStaging = { machines: new Map(), removed: new Set() };
  #work = Promise.withResolvers<void>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#rollouts = new RolloutSlots(options.settings.limits.concurrentRollouts);
  }

  want(wanted: WantedStaging): void {
    const before = this.#wanted;
    this.#wanted = wanted;
    for (const [machineId, machine] of wanted.machines) {
      if (this.#differs(before.machines.get(machineId), machine)) this.mark(machineId);
    }
    for (const machineId of wanted.removed) if (!before.removed.has(machineId)) this.mark(machineId);
    for (const machineId of this.#failed.keys()) {
      if (!wanted.machines.has(machineId) && !wanted.removed.has(machineId)) this.#failed.delete(machineId);
    }
  }

  /** Nothing to look at now; retries may be due later. */
  get idle(): boolean {
    return this.#dirty.size === 0 && this.#busy.size === 0;
  }

  /** Something about it may have changed. */
  mark(machineId: string): void {
    this.#dirty.add(machineId);
    this.#wakeAll();
  }

  /** Each server calls twice a minute, which matters only while it has a token. */
  #differs(before: WantedMachine | undefined, after: WantedMachine): boolean {
    if (before === undefined || !sameDisks(before, after)) return true;
    if (before.calledAt?.getTime() === after.calledAt?.getTime()) return false;
    return this.#options.view.observe(after.machineId).secret?.enrolled !== true;
  }

  failureOf(machineId: string): ChangeFailure | null {
    return this.#failed.get(machineId)?.failure ?? null;
  }

  async run(term: AbortSignal): Promise<void> {
    // Another replica may have led meanwhile: what failed for it, or for us before, is tried at once.
    this.#failed.clear();
    this.#markAll();
    const workers = Array.from({ length: this.#options.settings.limits.concurrentMachines }, () =>
      this.#runWorker(term),
    );
    await Promise.all([...workers, this.#tick(term)]);
  }

  async #tick(term: AbortSignal): Promise<void> {
    let lookedAt = performance.now();
    while (await pause(TICK_MILLISECONDS, term)) {
      const now = new Date();
      for (const [machineId, { failure }] of this.#failed) if (failure.nextAttemptAt <= now) this.mark(machineId);
      for (const machineId of this.#rollouts.takeWaiting(now)) this.mark(machineId);
      if (performance.now() - lookedAt < LOOK_AT_ALL_MILLISECONDS) continue;
      lookedAt = performance.now();
      this.#markAll();
    }
  }

  #markAll(): void {
    for (const machineId of this.#wanted.machines.keys()) this.mark(machineId);
    for (const machineId of this.#wanted.removed) this.mark(machineId);
  }

  async #runWorker(term: AbortSignal): Promise<void> {
    while (!term.aborted) {
      const machineId = this.#take();
      if (machineId === null) {
        await this.#somethingToDo(term);
        continue;
      }
      this.#busy.add(machineId);
      try {
        await this.#reconcile(machineId, term);
      } finally {
        this.#busy.delete(machineId);
      }
    }
  }

  /** The one that has waited longest; never one that another worker has in hand. */
  #take(): string | null {
    for (const machineId of this.#dirty) {
      if (this.#busy.has(machineId)) continue;
      this.#dirty.delete(machineId);
      return machineId;
    }
    return null;
  }

  async #somethingToDo(term: AbortSignal): Promise<void> {
    const end = (): void => this.#wakeAll();
    term.addEventListener('abort', end, { once: true });
    await this.#work.promise;
    term.removeEventListener('abort', end);
  }

  /** Who waits next waits for what comes next: a wake-up that stayed would keep the workers of a later term spinning. */
  #wakeAll(): void {
    this.#work.resolve();
    this.#work = Promise.withResolvers<void>();
  }

  async #reconcile(machineId: string, term: AbortSignal): Promise<void> {
    const failed = this.#failed.get(machineId);
    if (failed !== undefined && failed.failure.nextAttemptAt > new Date()) return;
    let objectKind = '';
    try {
      const plan = await this.#plan(machineId, term);
      let postponed: unknown = null;
      for (const change of plan?.changes ?? []) {
        objectKind = kindOf(change);
        try {
          await this.#make(machineId, change, term);
        } catch (thrown) {
          if (term.aborted || !this.#isGrowth(machineId, change)) throw thrown;
          postponed = thrown;
        }
      }
      if (postponed !== null) {
        objectKind = VOLUME_CLAIM.kind;
        throw toLmsError(postponed);
      }
      if (failed === undefined) return;
      this.#failed.delete(machineId);
      this.#options.onChange(machineId);
    } catch (thrown) {
      if (!term.aborted) this.#fail(machineId, objectKind, thrown, failed);
    }
  }

  /** A volume that cannot grow still serves: what comes after it (a new image, a token) must not wait for it. */
  #isGrowth(machineId: string, change: StagingChange): boolean {
    const isClaim = change.kind === 'apply' && change.resource.kind === VOLUME_CLAIM.kind;
    return isClaim && this.#options.view.observe(machineId).claim !== null;
  }

  async #plan(machineId: string, term: AbortSignal): Promise<MachinePlan | null> {
    const { view, settings, caSha256 } = this.#options;
    const observed = view.observe(machineId);
    const { statefulSet } = observed;
    if (statefulSet !== null && !statefulSet.rolling) this.#rollouts.done(machineId);
    const { routeResource } = view;
    const facts = async (): Promise<PlanFacts> => ({
      settings,
      routeResource,
      now: new Date(),
      caSha256: await caSha256(term),
    });
    if (this.#wanted.removed.has(machineId)) {
      return planRemoval(observed, { settings, routeResource, now: new Date(), caSha256: '' });
    }
    const wanted = this.#wanted.machines.get(machineId);
    return wanted === undefined ? null : planMachine(wanted, observed, await facts());
  }

  async #make(machineId: string, change: StagingChange, term: AbortSignal): Promise<void> {
    const { api, view, settings, createToken } = this.#options;
    if (change.kind === 'apply') {
      const { resource, manifest, replacesPod } = change;
      if (replacesPod && this.#servesNow(machineId) && !this.#rollouts.take(machineId, new Date())) return;
      this.#requireLease();
      view.applied(resource, await api.apply(resource, manifest, term));
      return;
    }
    if (change.kind === 'delete') {
      this.#requireLease();
      await api.delete(change.resource, change.object.name, change.object.uid, term);
      return;
    }
    const token = change.kind === 'issueToken' ? await createToken(machineId, term) : null;
    this.#requireLease();
    view.applied(SECRET, await api.apply(SECRET, secretManifest(settings, machineId, token), term));
  }

  /** Replacing what does not serve takes nothing from anybody. */
  #servesNow(machineId: string): boolean {
    return (this.#options.view.observe(machineId).statefulSet?.readyReplicas ?? 0) > 0;
  }

  #requireLease(): void {
    if (!this.#options.holdsLease()) throw new LmsError('ABORTED', 'this controller no longer leads');
  }

  #fail(machineId: string, objectKind: string, thrown: unknown, before: Failed | undefined): void {
    const { logger, onChange } = this.#options;
    const { code, message } = toLmsError(thrown);
    const backOff = before?.backOff ?? new BackOff(RETRY_LIMITS);
    const waitMilliseconds = backOff.failed();
    const nextAttemptAt = new Date(Date.now() + waitMilliseconds);
    if (before?.failure.message !== message) {
      logger.warn({ machineId, code, waitMilliseconds }, `staging of ${machineId}: ${message}`);
    }
    this.#failed.set(machineId, {
      backOff,
      failure: { objectKind, message, attempt: backOff.failures, nextAttemptAt },
    });
    onChange(machineId);
  }
}

function kindOf(change: StagingChange): string {
  return change.kind === 'apply' || change.kind === 'delete' ? change.resource.kind : SECRET.kind;
}

function sameDisks(before: WantedMachine, after: WantedMachine): boolean {
  return (
    before.diskBytes?.length === after.diskBytes?.length &&
    (before.diskBytes ?? []).every((bytes, index) => bytes === after.diskBytes?.[index])
  );
}
