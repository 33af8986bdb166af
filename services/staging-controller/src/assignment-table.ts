/**
 * What each replication server is told: the machines that are assigned to it, as state and the registry have them now; and
 * who waits for news of which server.
 *
 * On Kubernetes there are as many replication servers as machines, and each waits all the time and reports every few
 * seconds. A question about one server looks at its machines only, and news of a machine wake only its server: anything
 * that looked at all machines for each server would stop answering at two thousand of them.
 */
import type { StateBucket } from '@lms/events';
import type { AssignedMachine, Machine, WatchAssignmentsResponse } from '@lms/proto';
import { assignmentsAnswer } from './assignments.ts';
import { ServedMachines } from './served-machines.ts';
import type { Assignment, Removal } from './store.ts';

export interface AssignmentTableOptions {
  readonly assignments: Pick<StateBucket<Assignment>, 'entries' | 'onChange'>;
  readonly removals: Pick<StateBucket<Removal>, 'get' | 'onChange'>;
  readonly machine: (machineId: string) => Machine | null;
  /** The server that a machine's staging is with, also when it is assigned no longer. */
  readonly serverOf: (machineId: string) => string;
  /** Removed machines that this server must keep nothing of. */
  readonly removedOf: (server: string) => readonly string[];
}

interface Answered {
  readonly machines: readonly Machine[];
  readonly removed: readonly string[];
  readonly answer: WatchAssignmentsResponse;
}

export class AssignmentTable {
  readonly #options: AssignmentTableOptions;
  /** Also while the state that says so was lost and is being made anew: only an operator takes a machine out. */
  readonly #assigned = new ServedMachines();
  readonly #listeners = new Map<string, Set<() => void>>();
  /** By server: for as long as its machines are the same, so is its answer. */
  readonly #answered = new Map<string, Answered>();

  /** Follows the buckets for as long as they are open. */
  constructor(options: AssignmentTableOptions) {
    this.#options = options;
    const { assignments, removals } = options;
    for (const { key, value } of assignments.entries()) this.#assigned.set(key, value.replicationServer);
    assignments.onChange((machineId, entry) => {
      if (entry === null) return;
      const before = this.#assigned.serverOf(machineId);
      this.#assigned.set(machineId, entry.value.replicationServer);
      if (before !== entry.value.replicationServer) this.#tell(before);
      this.#tell(entry.value.replicationServer);
    });
    removals.onChange((machineId, entry) => {
      const before = this.#assigned.serverOf(machineId);
      if (entry !== null) this.#assigned.delete(machineId);
      this.#tell(before);
      this.#tell(options.serverOf(machineId));
    });
  }

  /** What the replication server is told now. */
  of(server: string): WatchAssignmentsResponse {
    const { removals, machine, removedOf } = this.#options;
    const machines: Machine[] = [];
    for (const machineId of this.#assigned.of(server)) {
      const known = removals.get(machineId) === null ? machine(machineId) : null;
      if (known !== null) machines.push(known);
    }
    const removed = removedOf(server);
    const answered = this.#answered.get(server);
    if (answered !== undefined && isSame(answered.machines, machines) && isSame(answered.removed, removed)) {
      return answered.answer;
    }
    const answer = assignmentsAnswer(machines.map(assignedMachine), removed);
    // Servers that have nothing are not remembered: anybody's name could be asked for.
    if (machines.length === 0) this.#answered.delete(server);
    else this.#answered.set(server, { machines, removed, answer });
    return answer;
  }

  /** The registry tells something new of it. */
  machineChanged(machineId: string): void {
    this.#tell(this.#assigned.serverOf(machineId));
  }

  /** Called when this server's assignments may have changed. Returns the way to end it. */
  onChange(server: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(server) ?? new Set();
    this.#listeners.set(server, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(server) === listeners) this.#listeners.delete(server);
    };
  }

  #tell(server: string | null): void {
    for (const listener of [...(this.#listeners.get(server ?? '') ?? [])]) listener();
  }
}

function isSame<Item>(before: readonly Item[], now: readonly Item[]): boolean {
  return before.length === now.length && before.every((item, index) => item === now[index]);
}

function assignedMachine({ machineId, name, settings }: Machine): AssignedMachine {
  return { machineId, name, retention: settings?.retention ?? [], floorBytes: settings?.floorBytes };
}
