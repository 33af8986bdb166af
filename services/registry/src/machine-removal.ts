/**
 * Taking a machine away for good.
 *
 *     entry in the deny-list ──► operations ended ──► points, machine, name forgotten ──► fact `machine-removed`
 *
 * The first step is the removal; everything behind it only clears up, can be done twice, and is done again by every sweep
 * that finds something left: after a kill in between, or when another registry, which did not know yet, wrote once more.
 * The fact is also told at each start, so that staging-controller hears of it whatever was killed.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { OperationKind, type Machine, type RemovedMachine, type RemoveMachineRequest } from '@lms/proto';
import type { Facts } from './facts.ts';
import type { Machines } from './machines.ts';
import type { Operations } from './operations.ts';
import type { Points } from './points.ts';
import type { RemovedMachines } from './removed-machines.ts';
import type { ReplicationServers } from './replication-servers.ts';

const MACHINE_ID = /^m-[0-9a-f]{20}$/;

export interface MachineRemovalParts {
  readonly removed: RemovedMachines;
  readonly machines: Machines;
  readonly points: Points;
  readonly operations: Operations;
  readonly replicationServers: ReplicationServers;
  readonly facts: Facts;
}

export class MachineRemoval {
  readonly #parts: MachineRemovalParts;

  constructor(parts: MachineRemovalParts) {
    this.#parts = parts;
  }

  async remove(request: RemoveMachineRequest, now: Date): Promise<{ machine: RemovedMachine; repeated: boolean }> {
    const { removed, machines } = this.#parts;
    const { idOrName, expectedRevision, orphan } = request;
    const known = machines.find(idOrName, now);
    if (known === null) {
      const before = removed.get(idOrName) ?? removed.findByName(idOrName);
      if (before !== null) return { machine: before, repeated: true };
      // NOT_FOUND, unless the caller vouches for the id.
      if (!orphan || !MACHINE_ID.test(idOrName)) throw notFound(machines, idOrName, now);
    } else {
      this.#requireUnused(known);
      if (expectedRevision !== 0n && expectedRevision !== known.revision) {
        throw new LmsError('ABORTED', `machine ${idOrName} was changed meanwhile`, {
          action: 'read it again and repeat',
        });
      }
    }
    const machineId = known?.machineId ?? idOrName;
    const { removed: machine, repeated } = await removed.record(machineId, known?.name ?? '', now);
    await this.#clear(machine, now);
    this.#tell(machine);
    return { machine, repeated };
  }

  /** Clears up what an interrupted removal has left, and what was written by somebody who did not know of it yet. */
  async sweep(now: Date): Promise<void> {
    const { removed, operations } = this.#parts;
    const asked = operations.machineIds();
    for (const machine of removed.all()) {
      if (asked.has(machine.machineId) || this.#isLeft(machine)) await this.#clear(machine, now);
    }
    await removed.forgetOld(now);
  }

  /** Says again, at a start, which machines were removed. */
  republish(): void {
    for (const machine of this.#parts.removed.all()) this.#tell(machine);
  }

  #requireUnused({ machineId, name }: Machine): void {
    const { points, operations } = this.#parts;
    const pinned = points.of(machineId).find((point) => point.pinned);
    if (pinned !== undefined) {
      throw new LmsError('FAILED_PRECONDITION', `point ${pinned.sequence} of ${name} is pinned`, {
        action: 'Unpin it first; it would be lost with the machine.',
      });
    }
    const use = operations.usesOf(machineId)[0];
    if (use === undefined) return;
    const what = use.kind === OperationKind.EXPORT_DISK ? 'exported' : 'verified';
    throw new LmsError('FAILED_PRECONDITION', `point ${use.sequence} of ${name} is being ${what}`, {
      action: 'Wait until that is over, or end it; then remove the machine.',
    });
  }

  #isLeft({ machineId, name }: RemovedMachine): boolean {
    const { machines, points } = this.#parts;
    return machines.isStored(machineId, name) || points.last(machineId) !== undefined;
  }

  async #clear({ machineId, name }: RemovedMachine, now: Date): Promise<void> {
    const { machines, points, operations, replicationServers } = this.#parts;
    await operations.discard(machineId, now);
    for (const { sequence } of points.of(machineId)) await points.remove(machineId, sequence);
    await replicationServers.discardOf(machineId);
    await machines.discard(machineId, name);
  }

  #tell(machine: RemovedMachine): void {
    const fact = { $case: 'machineRemoved', value: { machine } } as const;
    // There is one removal of a machine, ever: its instant stands for a revision.
    const revision = machine.removedAt?.getTime() ?? 0;
    this.#parts.facts.tell(machine.machineId, fact, `machine.${machine.machineId}`, revision);
  }
}

function notFound(machines: Machines, idOrName: string, now: Date): LmsError {
  try {
    machines.require(idOrName, now);
  } catch (thrown) {
    return toLmsError(thrown);
  }
  return new LmsError('ABORTED', `machine ${idOrName} came meanwhile`, { action: 'repeat it' });
}
