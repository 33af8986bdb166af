/**
 * Looks at what is, lets the pure parts (`plan`, `nextSteps`) say what follows, and does that: again after each thing
 * that was seen, for the machine that it was about, and now and then for all, for what should have been seen by now.
 * Doing it twice does nothing twice. Of several replicas the one that leads acts; the others look, and answer questions.
 */
import { toLmsError } from '@lms/errors';
import { publishFact, type EventConnection, type StateEntry } from '@lms/events';
import { InitiationStep, StepState, type InitiationStepReport } from '@lms/proto';
import { pause } from '@lms/service';
import type { StagingDriver, WantedMachine } from './driver.ts';
import { nextSteps, type Patience, type StepRecord } from './initiation.ts';
import type { Machines } from './machines.ts';
import type { MachineObservation, ServerObservation } from './observation.ts';
import { plan, type StagingAction } from './plan.ts';
import type { Removals } from './removals.ts';
import type { Sightings } from './sightings.ts';
import type { WayChanges } from './way-changes.ts';
import type { Initiation, StagingStore } from './store.ts';

const LOOK_EVERY_MILLISECONDS = 1_000;
/** Looking at all of many machines costs a while; it is done less often then. */
const LOOK_AT_EACH_MILLISECONDS = 1;
/** Many things seen at once are looked at once; the more machines, the longer a look takes, and the more are gathered. */
const GATHER_MILLISECONDS = 50;
const GATHER_FOR_EACH_MILLISECONDS = 0.05;

export interface ControllerOptions {
  readonly connection: EventConnection;
  readonly store: StagingStore;
  readonly machines: Machines;
  readonly sightings: Sightings;
  readonly driver: StagingDriver;
  readonly removals: Removals;
  readonly wayChanges: Pick<WayChanges, 'follow'>;
  readonly patience: Patience;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #listeners = new Set<() => void>();
  /** What was seen since the last look was about these. */
  readonly #seen = new Set<string>();
  #lookAtAll = true;
  #lookedAtAll = 0;
  #wake: () => void = () => undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Something was seen, of one machine or (null) of more than one: look soon. */
  look(machineId: string | null): void {
    if (machineId === null) this.#lookAtAll = true;
    else this.#seen.add(machineId);
    this.#wake();
  }

  /** Called after each look. */
  onLook(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options.connection;
    let said: string | null = null;
    while (!signal.aborted) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      try {
        await this.#reconcile(new Date());
        said = null;
      } catch (thrown) {
        const error = toLmsError(thrown);
        if (said !== error.message) logger.warn({ code: error.code }, `not reconciled: ${error.message}`);
        said = error.message;
      }
      for (const listener of this.#listeners) listener();
      await pause(LOOK_EVERY_MILLISECONDS, AbortSignal.any([signal, woken.signal]));
      const count = this.#options.store.assignments.size;
      await pause(GATHER_MILLISECONDS + count * GATHER_FOR_EACH_MILLISECONDS, signal);
    }
  }

  /** Machines that it reports about, of which the registry has told nothing (yet). */
  unknownMachinesOf(replicationServer: string): readonly string[] {
    const { sightings, machines, removals } = this.#options;
    return [...sightings.servedMachines(replicationServer)].filter(
      (machineId) => machines.get(machineId) === null && !removals.has(machineId),
    );
  }

  stepsOf(machineId: string): readonly StepRecord[] {
    const stored = this.#options.store.initiations.get(machineId)?.value.steps;
    return stored ?? this.#nextSteps([], this.#observe(machineId, new Date()), new Date());
  }

  async #reconcile(now: Date): Promise<void> {
    const { store, machines, sightings, driver, removals } = this.#options;
    const assignments = new Map(store.assignments.entries().map(({ key, value }) => [key, value.replicationServer]));
    const removed = removals.ids();
    const chosen = this.#chooseMachines(assignments.size + machines.ids().length);
    if (!driver.leads) return;
    const actions = plan({
      machineIds: machines.ids(),
      assignments,
      servedBy: sightings.servedBy(),
      found: driver.found(),
      removed,
      serverOf: (machineId) => driver.serverOf(machineId),
    });
    for (const action of actions) await this.#apply(action, now);
    driver.run({ machines: this.#wantedMachines(assignments, removed), removed });
    await removals.follow(now);
    const present = (chosen ?? machines.ids()).filter((id) => !removed.has(id) && machines.get(id) !== null);
    await this.#options.wayChanges.follow(present, now);
    for (const machineId of present) {
      if (!driver.leads) return;
      await this.#recordSteps(machineId, now);
    }
  }

  /** Null: all. */
  #chooseMachines(count: number): readonly string[] | null {
    const interval = Math.max(LOOK_EVERY_MILLISECONDS, count * LOOK_AT_EACH_MILLISECONDS);
    const isDue = performance.now() - this.#lookedAtAll >= interval;
    const all = this.#lookAtAll || isDue;
    const chosen = all ? null : [...this.#seen];
    this.#seen.clear();
    this.#lookAtAll = false;
    if (all) this.#lookedAtAll = performance.now();
    return chosen;
  }

  #wantedMachines(
    assignments: ReadonlyMap<string, string>,
    removed: ReadonlySet<string>,
  ): ReadonlyMap<string, WantedMachine> {
    const { machines, sightings } = this.#options;
    const wanted = new Map<string, WantedMachine>();
    for (const [machineId, server] of assignments) {
      if (removed.has(machineId)) continue;
      const disks = machines.get(machineId)?.disks ?? [];
      const diskBytes = disks.length === 0 ? null : disks.map(({ sizeBytes }) => Number(sizeBytes));
      wanted.set(machineId, { machineId, diskBytes, calledAt: sightings.calledAt(server) });
    }
    return wanted;
  }

  async #apply(action: StagingAction, now: Date): Promise<void> {
    const { assignments, initiations, ways } = this.#options.store;
    if (action.kind === 'assign') {
      const { machineId, replicationServer } = action;
      await assignments.modify(machineId, (current) => current ?? { replicationServer, assignedAt: now.toISOString() });
      return;
    }
    for (const bucket of [ways, initiations, assignments]) {
      const entry = bucket.get(action.machineId);
      if (entry !== null) await bucket.delete(action.machineId, entry.revision);
    }
  }

  async #recordSteps(machineId: string, now: Date): Promise<void> {
    const { store } = this.#options;
    const before = store.initiations.get(machineId)?.value.steps ?? [];
    const seen = this.#observe(machineId, now);
    if (isUnchanged(before, this.#nextSteps(before, seen, now))) return;
    const entry = await store.initiations.modify(machineId, (current) => {
      const steps = this.#nextSteps(current?.steps ?? [], seen, now);
      return current !== null && isUnchanged(current.steps, steps) ? current : { steps: [...steps] };
    });
    await this.#tell(machineId, before, entry);
  }

  #nextSteps(before: readonly StepRecord[], seen: MachineObservation, now: Date): readonly StepRecord[] {
    return nextSteps(before, seen, now, this.#options.patience);
  }

  async #tell(machineId: string, before: readonly StepRecord[], entry: StateEntry<Initiation>): Promise<void> {
    for (const record of entry.value.steps) {
      const known = before.find(({ step }) => step === record.step);
      if (known?.state === record.state && known.error === record.error) continue;
      const fact = { $case: 'initiationStepChanged', value: { step: stepReport(record) } } as const;
      await publishFact(
        this.#options.connection,
        { occurredAt: new Date(record.changedAt), machineId, fact },
        // Of the step's own change: told again after a crash in between, it is the same fact.
        { messageId: `initiation.${machineId}.${record.step}.${record.state}.${record.changedAt}` },
      );
    }
  }

  /** Facts of the newest steps, again: one that was not told before a crash is told now, the others are stored once. */
  async tellAgain(): Promise<void> {
    const { initiations } = this.#options.store;
    for (const entry of initiations.entries()) {
      const replicates = entry.value.steps.some(
        ({ step, state }) => step === 'START_DATA_TRANSFER' && state === 'SUCCEEDED',
      );
      if (!replicates) await this.#tell(entry.key, [], entry);
    }
  }

  #observe(machineId: string, now: Date): MachineObservation {
    const { store, sightings, driver } = this.#options;
    const name = store.assignments.get(machineId)?.value.replicationServer ?? null;
    return {
      hasNetworkPolicies: driver.hasNetworkPolicies,
      assigned: name !== null,
      server: name === null ? null : this.#observeServer(name),
      ...sightings.ofMachine(machineId, name, now),
    };
  }

  #observeServer(name: string): ServerObservation | null {
    const { sightings, driver } = this.#options;
    const server = driver.observe(name);
    return (
      server && {
        ...server,
        authenticated: sightings.calledSince(name, server.startedAt),
        ready: sightings.readySince(name, server.startedAt),
      }
    );
  }
}

function isUnchanged(before: readonly StepRecord[], after: readonly StepRecord[]): boolean {
  return before.length === after.length && after.every((record, index) => record === before[index]);
}

export function stepReport(record: StepRecord): InitiationStepReport {
  return {
    step: InitiationStep[record.step],
    state: StepState[record.state],
    error: record.error,
    nextAttemptAt: record.nextAttemptAt === null ? undefined : new Date(record.nextAttemptAt),
    changedAt: new Date(record.changedAt),
    attempt: record.attempt,
  };
}
