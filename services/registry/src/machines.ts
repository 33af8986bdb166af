/** Source machines: enrolling, names, heartbeats, settings. One that was removed is none, whatever is still stored of it. */
import { LmsError } from '@lms/errors';
import type { StateEntry } from '@lms/events';
import type { HeartbeatMachineRequest, ListMachinesRequest, Machine, SettingsChange } from '@lms/proto';
import type { Facts } from './facts.ts';
import { nameIsFree, nameKey } from './machine-name.ts';
import {
  newMachine,
  presentMachine,
  settingOverrides,
  withHeartbeat,
  withOverrides,
  type NewMachine,
} from './machine-rules.ts';
import { pageOf, type Page } from './paging.ts';
import type { Points } from './points.ts';
import type { RemovedMachines } from './removed-machines.ts';
import type { Installation } from './settings/installation.ts';
import { checkSettings } from './settings/setting-checks.ts';
import { contentRevision, withChange } from './settings/setting-rules.ts';
import type { RegistryStore } from './store.ts';

/**
 * "Last seen" lives in memory and is stored this often only: every heartbeat of 10,000 machines as a synced write would be
 * 1,000 a second. Downside: after a restart, or seen from another registry, it may be so much too old.
 */
const STORE_SEEN_MILLISECONDS = 15_000;

export class Machines {
  readonly #machines: RegistryStore['machines'];
  readonly #names: RegistryStore['names'];
  readonly #points: Points;
  readonly #facts: Facts;
  readonly #removed: RemovedMachines;
  readonly #installation: Installation;
  readonly #seenAt = new Map<string, Date>();
  /** Machine ids by name, from the bucket's one watch. */
  readonly #idByName = new Map<string, string>();
  readonly #forget: () => void;

  constructor(
    store: Pick<RegistryStore, 'machines' | 'names'>,
    points: Points,
    facts: Facts,
    removed: RemovedMachines,
    installation: Installation,
  ) {
    this.#machines = store.machines;
    this.#names = store.names;
    this.#points = points;
    this.#facts = facts;
    this.#removed = removed;
    this.#installation = installation;
    for (const { key, value } of store.machines.entries()) this.#idByName.set(value.name, key);
    this.#forget = store.machines.onChange((key, entry) => {
      if (entry !== null) this.#idByName.set(entry.value.name, key);
      else for (const [name, id] of this.#idByName) if (id === key) this.#idByName.delete(name);
    });
  }

  close(): void {
    this.#forget();
  }

  /** ALREADY_EXISTS when the name is seen to be taken. Proves nothing: `create` decides. */
  checkName(name: string): void {
    if (this.#stored(this.#idByName.get(name) ?? '') !== null) throw nameTaken(name);
  }

  /** Takes the name, then makes the machine. ALREADY_EXISTS when another machine has the name. */
  async create(machine: NewMachine, now: Date): Promise<Machine> {
    await this.#takeName(machine.name, machine.machineId, now);
    const entry = await this.#machines.create(machine.machineId, newMachine(machine, now));
    const presented = this.#present(entry.value, entry.revision, now);
    const fact = { $case: 'machineEnrolled', value: { machine: presented } } as const;
    this.#facts.tell(machine.machineId, fact, `machine.${machine.machineId}`, entry.revision);
    return presented;
  }

  find(idOrName: string, now: Date): Machine | null {
    const entry = this.#stored(idOrName) ?? this.#stored(this.#idByName.get(idOrName) ?? '');
    return entry === null ? null : this.#present(entry.value, entry.revision, now);
  }

  /** NOT_FOUND when there is no such machine, REMOVED when it is the id of one that there was. */
  require(idOrName: string, now: Date): Machine {
    const machine = this.find(idOrName, now);
    if (machine !== null) return machine;
    this.#removed.refuse(idOrName);
    throw new LmsError('NOT_FOUND', `there is no machine ${idOrName}`, {
      field: 'idOrName',
      action: 'see `lms machine list`',
    });
  }

  list(request: ListMachinesRequest, now: Date): Page<Machine> {
    const entries = this.#machines.entries().filter(({ key }) => !this.#removed.has(key));
    const page = pageOf(entries, (entry) => entry.value.name, request);
    return { ...page, items: page.items.map(({ value, revision }) => this.#present(value, revision, now)) };
  }

  /** REMOVED when an operator has removed it. */
  async heartbeat(request: HeartbeatMachineRequest, now: Date): Promise<Machine> {
    const { machineId } = request;
    this.#removed.refuse(machineId);
    if ((await this.#machines.find(machineId)) === null) await this.#recreate(request, now);
    this.#seenAt.set(machineId, now);
    let changed = false;
    const record = this.#machines.modify(machineId, (current) => {
      this.#removed.refuse(machineId);
      if (current === null) throw new LmsError('ABORTED', `machine ${machineId} was removed meanwhile`);
      const told = withHeartbeat(current, request);
      changed = told !== current;
      const storedAt = current.lastSeenAt?.getTime() ?? 0;
      const isDue = Math.abs(now.getTime() - storedAt) >= STORE_SEEN_MILLISECONDS;
      return changed || isDue ? { ...told, lastSeenAt: now } : current;
    });
    const entry = await record.catch((error: unknown) => {
      // NATS is away. A heartbeat that tells nothing new needs no writing: the agent is told what it asked for.
      const known = this.#machines.get(machineId);
      if (changed || known === null || !(error instanceof LmsError) || !error.retryable) throw error;
      return known;
    });
    const machine = this.#present(entry.value, entry.revision, now);
    if (changed) this.#tellChanged(machine, entry.revision);
    return machine;
  }

  /** `expected`: the content revision that the caller knows; ABORTED when it is another one by now. */
  updateSettings(idOrName: string, change: SettingsChange, expected: bigint | undefined, now: Date): Promise<Machine> {
    const { machineId } = this.require(idOrName, now);
    const changed = (machine: Machine): Machine => {
      const before = settingOverrides(machine);
      if (expected !== undefined && expected !== contentRevision(before)) {
        throw new LmsError('ABORTED', `the settings of machine ${idOrName} were changed meanwhile`, {
          action: 'read them again and repeat',
        });
      }
      const overrides = withChange(before, change);
      checkSettings(overrides);
      return contentRevision(overrides) === contentRevision(before) ? machine : withOverrides(machine, overrides);
    };
    return this.#change(machineId, changed, now);
  }

  /** All of them, by name. */
  all(now: Date): Machine[] {
    const entries = this.#machines.entries().filter(({ key }) => !this.#removed.has(key));
    return entries
      .map(({ value, revision }) => this.#present(value, revision, now))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** The settings of all machines have changed: what each of them has now. */
  tellSettings(now: Date): void {
    for (const machine of this.all(now)) {
      const fact = { $case: 'machineChanged', value: { machine } } as const;
      const entity = `machine.${machine.machineId}.${machine.settingsRevision}`;
      this.#facts.tell(machine.machineId, fact, entity, Number(machine.revision));
    }
  }

  setPaused(machineId: string, paused: boolean, now: Date): Promise<Machine> {
    return this.#change(machineId, (machine) => (machine.paused === paused ? machine : { ...machine, paused }), now);
  }

  /** Whether anything is stored of a machine that was removed. */
  isStored(machineId: string, name: string): boolean {
    return this.#machines.get(machineId) !== null || this.#names.get(nameKey(name))?.value.machineId === machineId;
  }

  /** Of a machine that was removed: forgets it, then frees its name. */
  async discard(machineId: string, lastName: string): Promise<void> {
    const machine = this.#machines.get(machineId);
    if (machine !== null) await this.#machines.delete(machineId, machine.revision);
    this.#seenAt.delete(machineId);
    for (const name of new Set([lastName, machine?.value.name ?? lastName])) {
      const reservation = this.#names.get(nameKey(name));
      if (reservation?.value.machineId === machineId) {
        await this.#names.delete(reservation.key, reservation.revision);
      }
    }
  }

  /** Says again, at a start, which machines there are. */
  republish(now: Date): void {
    for (const { key, value, revision } of this.#machines.entries()) {
      if (this.#removed.has(key)) continue;
      const fact = { $case: 'machineEnrolled', value: { machine: this.#present(value, revision, now) } } as const;
      this.#facts.tell(key, fact, `machine.${key}`, revision);
    }
  }

  async #change(machineId: string, change: (machine: Machine) => Machine, now: Date): Promise<Machine> {
    let changed = false;
    const entry = await this.#machines.modify(machineId, (current) => {
      if (current === null) throw new LmsError('NOT_FOUND', `machine ${machineId} was removed meanwhile`);
      const next = change(current);
      changed = next !== current;
      return next;
    });
    const machine = this.#present(entry.value, entry.revision, now);
    if (changed) this.#tellChanged(machine, entry.revision);
    return machine;
  }

  /** JetStream was lost: the agent's certificate says which machine it is, and its own name is taken if it is free. */
  async #recreate(request: HeartbeatMachineRequest, now: Date): Promise<void> {
    const { machineId, disks, agentVersion, inventoryJson } = request;
    const wanted = request.name === '' ? `machine-${machineId}` : request.name;
    for (const name of [wanted, `${wanted.slice(0, 40)}-${machineId}`]) {
      try {
        await this.create({ machineId, name, disks, agentVersion, inventoryJson }, now);
        return;
      } catch (error) {
        if (this.#machines.get(machineId) !== null) return;
        if (!(error instanceof LmsError) || error.code !== 'ALREADY_EXISTS') throw error;
      }
    }
    throw nameTaken(wanted);
  }

  async #takeName(name: string, machineId: string, now: Date): Promise<void> {
    const reservation = { name, machineId, reservedAt: now.toISOString() };
    await this.#names.modify(nameKey(name), (current) => {
      if (current === null || current.machineId === machineId) return reservation;
      if (this.#removed.has(current.machineId)) return reservation;
      if (nameIsFree(current, this.#machines.get(current.machineId) !== null, now)) return reservation;
      throw nameTaken(name);
    });
  }

  #stored(machineId: string): StateEntry<Machine> | null {
    return this.#removed.has(machineId) ? null : this.#machines.get(machineId);
  }

  #tellChanged(machine: Machine, revision: number): void {
    const fact = { $case: 'machineChanged', value: { machine } } as const;
    this.#facts.tell(machine.machineId, fact, `machine.${machine.machineId}`, revision);
  }

  #present(stored: Machine, revision: number, now: Date): Machine {
    const seen = this.#seenAt.get(stored.machineId);
    const lastSeenAt =
      seen === undefined || (stored.lastSeenAt !== undefined && stored.lastSeenAt > seen) ? stored.lastSeenAt : seen;
    const observed = {
      lastSeenAt,
      lastPoint: this.#points.last(stored.machineId),
      revision,
      settings: this.#installation.effective(settingOverrides(stored)),
      settingsRevision: this.#installation.revision,
    };
    return presentMachine(stored, observed, now);
  }
}

function nameTaken(name: string): LmsError {
  return new LmsError('ALREADY_EXISTS', `there is a machine with the name ${name} already`, {
    field: 'name',
    action: 'give this one another name with --name',
  });
}
