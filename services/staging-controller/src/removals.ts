/**
 * Machines that an operator has removed: what is still there of them, and when it is over.
 *
 * A removal stands in state before anything is taken away, so it goes on after a crash at any step; it is over when
 * nothing is seen any more, never because somebody said so. It is remembered for longer than an agent that was away could
 * come back with its certificate.
 */
import { LmsError } from '@lms/errors';
import type { StateEntry } from '@lms/events';
import type { StagingObject } from '@lms/proto';
import type { Logger } from '@lms/telemetry';
import type { StagingDriver } from './driver.ts';
import type { Machines } from './machines.ts';
import type { Sightings } from './sightings.ts';
import type { Removal, StagingStore } from './store.ts';

const REMEMBERED_MILLISECONDS = 30 * 86_400_000;

export interface RemovalsParts {
  readonly store: Pick<StagingStore, 'assignments' | 'removals' | 'servers'>;
  readonly driver: Pick<StagingDriver, 'sees' | 'objects' | 'serverOf' | 'machineOf' | 'removesThroughServer'>;
  readonly machines: Pick<Machines, 'get' | 'forget'>;
  readonly sightings: Pick<Sightings, 'takenBy' | 'forget'>;
  readonly logger: Logger;
}

export class Removals {
  readonly #parts: RemovalsParts;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#parts.store.removals.entries().map(({ key }) => key));
  }

  has(machineId: string): boolean {
    return this.#parts.store.removals.get(machineId) !== null;
  }

  /** NOT_FOUND when nothing is known of the machine; `unknownToo`: news of it may be on its way. */
  async request(machineId: string, unknownToo: boolean): Promise<void> {
    if (!unknownToo && !this.#isKnown(machineId)) {
      throw new LmsError('NOT_FOUND', `there is no machine ${machineId}`, { field: 'machineId' });
    }
    await this.#parts.store.removals.modify(
      machineId,
      (current) => current ?? { requestedAt: new Date().toISOString(), completedAt: null },
    );
    this.#forget(machineId);
  }

  /** What the replication server must keep nothing of, until nothing is seen any more. */
  toldTo(replicationServer: string): readonly string[] {
    const { store, driver } = this.#parts;
    if (!driver.removesThroughServer) return [];
    const open = store.removals.entries().filter(({ value }) => value.completedAt === null);
    return open.map(({ key }) => key).filter((machineId) => driver.serverOf(machineId) === replicationServer);
  }

  /** What there is of the machine, or of all, by machine, kind and name. UNAVAILABLE before all of it has been seen. */
  objects(machineId?: string): readonly StagingObject[] {
    const { driver } = this.#parts;
    if (!driver.sees) {
      throw new LmsError('UNAVAILABLE', 'staging-controller has not seen yet what there is', { action: 'Ask again.' });
    }
    const seen = driver
      .objects(machineId)
      .map((object) => ({ ...object, removing: this.has(object.machineId || '-') }));
    const key = ({ machineId: owner, kind, name }: StagingObject): string => `${owner} ${kind} ${name}`;
    return [...seen, ...this.#assignments(machineId)].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  /** Over when nothing is left; forgotten when nobody can come back. */
  async follow(now: Date): Promise<void> {
    for (const removal of this.#parts.store.removals.entries()) await this.#followOne(removal, now);
  }

  async #followOne({ key, value, revision }: StateEntry<Removal>, now: Date): Promise<void> {
    const { store, driver, logger } = this.#parts;
    this.#forget(key);
    if (value.completedAt === null) {
      if (this.objects(key).length > 0) return;
      await store.removals.update(key, { ...value, completedAt: now.toISOString() }, revision);
      const server = store.servers.get(driver.serverOf(key));
      // On a host the same server serves all others.
      if (server !== null && driver.machineOf(server.key) === key) {
        await store.servers.delete(server.key, server.revision);
      }
      logger.info({ machineId: key }, 'the staging of a removed machine is gone');
    } else if (now.getTime() - Date.parse(value.completedAt) > REMEMBERED_MILLISECONDS) {
      await store.removals.delete(key, revision);
    }
  }

  /**
   * A replication server that still has the machine in its list could make its folder again after it was seen to be gone.
   * One that has not shown its list since this process looks is taken for one.
   */
  #assignments(machineId?: string): readonly StagingObject[] {
    const { store, driver, sightings } = this.#parts;
    if (!driver.removesThroughServer) return [];
    return store.removals
      .entries()
      .filter(({ key, value }) => value.completedAt === null && (machineId === undefined || key === machineId))
      .filter(({ key }) => sightings.takenBy(driver.serverOf(key))?.has(key) !== false)
      .map(({ key }) => ({ kind: 'Assignment', name: driver.serverOf(key), machineId: key, removing: true }));
  }

  #isKnown(machineId: string): boolean {
    const { store, driver, machines } = this.#parts;
    return (
      machines.get(machineId) !== null ||
      store.assignments.get(machineId) !== null ||
      this.has(machineId) ||
      driver.objects(machineId).length > 0
    );
  }

  /** In memory too: what is still known of it, or comes late, must not make it a machine again once this is forgotten. */
  #forget(machineId: string): void {
    this.#parts.machines.forget(machineId);
    this.#parts.sightings.forget(machineId);
  }
}
