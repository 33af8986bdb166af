/**
 * Looks at what is, lets the pure parts (`plan`, `nextSteps`) say what follows, and does that: again after each thing
 * that was seen, and every second for what should have been seen by now. Doing it twice does nothing twice.
 */
import { toLmsError } from '@lms/errors';
import { publishFact, type EventConnection, type StateEntry } from '@lms/events';
import { InitiationStep, StepState, type AssignedMachine, type InitiationStepReport, type Machine } from '@lms/proto';
import { pause } from '@lms/service';
import { assignmentsAnswer } from './assignments.ts';
import type { StagingDriver } from './driver.ts';
import { nextSteps, type Patience, type StepRecord } from './initiation.ts';
import type { Machines } from './machines.ts';
import type { MachineObservation, ServerObservation } from './observation.ts';
import { plan, type StagingAction } from './plan.ts';
import type { Sightings } from './sightings.ts';
import type { Initiation, StagingStore } from './store.ts';

const LOOK_EVERY_MILLISECONDS = 1_000;
/** Many things seen at once are looked at once. */
const GATHER_MILLISECONDS = 50;

export interface ControllerOptions {
  readonly connection: EventConnection;
  readonly store: StagingStore;
  readonly machines: Machines;
  readonly sightings: Sightings;
  readonly driver: StagingDriver;
  readonly sharedServer: string;
  readonly patience: Patience;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #listeners = new Set<() => void>();
  /** Machine id → its replication server, also while the state that says so was lost and is being made anew. */
  readonly #assigned = new Map<string, string>();
  #wake: () => void = () => undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Something was seen: look soon. */
  look(): void {
    this.#wake();
  }

  /** Called when assignments may have changed. */
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
      await pause(GATHER_MILLISECONDS, signal);
    }
  }

  /** What the replication server is told now. */
  assignmentsOf(replicationServer: string) {
    const { store, machines } = this.#options;
    const all = new Map(this.#assigned);
    for (const { key, value } of store.assignments.entries()) all.set(key, value.replicationServer);
    const assigned = [...all]
      .filter(([, server]) => server === replicationServer)
      .map(([machineId]) => machines.get(machineId))
      .filter((machine) => machine !== null);
    return assignmentsAnswer(assigned.map(assignedMachine));
  }

  /** Machines that it reports about, of which the registry has told nothing (yet). */
  unknownMachinesOf(replicationServer: string): readonly string[] {
    const { sightings, machines } = this.#options;
    const served = [...sightings.servedBy()].filter(([, server]) => server === replicationServer);
    return served.map(([machineId]) => machineId).filter((machineId) => machines.get(machineId) === null);
  }

  stepsOf(machineId: string): readonly StepRecord[] {
    const stored = this.#options.store.initiations.get(machineId)?.value.steps;
    return stored ?? this.#nextSteps([], this.#observe(machineId, new Date()), new Date());
  }

  async #reconcile(now: Date): Promise<void> {
    const { store, machines, sightings, driver, sharedServer } = this.#options;
    const assignments = new Map(store.assignments.entries().map(({ key, value }) => [key, value.replicationServer]));
    for (const [machineId, server] of assignments) this.#assigned.set(machineId, server);
    const actions = plan({
      machineIds: machines.ids(),
      assignments,
      servedBy: sightings.servedBy(),
      running: driver.running,
      sharedServer,
    });
    for (const action of actions) await this.#apply(action, now);
    for (const machineId of machines.ids()) await this.#recordSteps(machineId, now);
  }

  async #apply(action: StagingAction, now: Date): Promise<void> {
    if (action.kind === 'runServer') {
      this.#options.driver.runServer(action.name);
      return;
    }
    const { machineId, replicationServer } = action;
    await this.#options.store.assignments.modify(
      machineId,
      (current) => current ?? { replicationServer, assignedAt: now.toISOString() },
    );
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

function assignedMachine({ machineId, name, settings }: Machine): AssignedMachine {
  return { machineId, name, retention: settings?.retention ?? [], floorBytes: settings?.floorBytes };
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
