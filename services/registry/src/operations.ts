/** What operators ask of agents and replication servers: kept until it is done, handed out until its result comes. */
import { LmsError } from '@lms/errors';
import {
  Operation,
  OperationKind,
  OperationState,
  type CompleteOperationRequest,
  type CreateOperationRequest,
  type Event,
  type Point,
} from '@lms/proto';
import type { Facts } from './facts.ts';
import type { Machines } from './machines.ts';
import { checkOperation, meansPoint, requireCheck } from './operation-checks.ts';
import { oldestFirst, OperationIndex, serverSubject, subjectOf } from './operation-index.ts';
import {
  failed,
  isAgentCommand,
  isOver,
  isTask,
  mayComplete,
  operationIdOf,
  readsPoint,
  withExpiry,
  withPoint,
  withResult,
} from './operation-rules.ts';
import type { Points } from './points.ts';
import type { ReplicationServers } from './replication-servers.ts';
import type { RegistryStore } from './store.ts';

/** Of one machine or replication server at the same time: more is a script that went wrong. */
const MAXIMUM_PENDING = 64;
const KEEP_COMPLETED_MILLISECONDS = 86_400_000;
const DEFAULT_TIMEOUT_SECONDS = 300;
const LONGEST_WAIT_MILLISECONDS = 30_000;

export interface TaskWait {
  readonly waitMilliseconds: number;
  readonly signal: AbortSignal;
  readonly also: (look: () => void) => () => void;
}

export interface OperationsParts {
  readonly machines: Machines;
  readonly points: Points;
  readonly replicationServers: ReplicationServers;
  readonly facts: Facts;
}

type Asked = Partial<Operation> & Pick<Operation, 'operationId'>;

export class Operations {
  readonly #bucket: RegistryStore['operations'];
  readonly #machines: Machines;
  readonly #points: Points;
  readonly #replicationServers: ReplicationServers;
  readonly #facts: Facts;
  readonly #index: OperationIndex;

  constructor(bucket: RegistryStore['operations'], { machines, points, replicationServers, facts }: OperationsParts) {
    this.#bucket = bucket;
    this.#machines = machines;
    this.#points = points;
    this.#replicationServers = replicationServers;
    this.#facts = facts;
    this.#index = new OperationIndex(bucket);
  }

  close(): void {
    this.#index.close();
  }

  async create(request: CreateOperationRequest, now: Date): Promise<Operation> {
    if (request.kind === OperationKind.CHECK_FROM_REPLICATION_SERVER) return this.#createForServer(request, now);
    const machine = this.#machines.require(request.idOrName, now);
    const operationId = operationIdOf(machine.machineId, request.idempotencyKey);
    const existing = this.#bucket.get(operationId);
    if (existing !== null) return existing.value;
    const point = meansPoint(request.kind)
      ? this.#points.require(machine.machineId, machine.name, request.sequence)
      : null;
    checkOperation(request, { machine, point });
    return this.#ask(machine.name, now, {
      ...asked(operationId, request, now),
      machineId: machine.machineId,
      consistency: request.consistency,
      sequence: point?.sequence ?? 0n,
      diskId: request.diskId,
      checkpointId: point?.checkpointId ?? '',
      offsetBytes: request.offsetBytes,
      lengthBytes: request.lengthBytes,
    });
  }

  /** What is for the replication server itself, whatever machines it has. */
  async #createForServer(request: CreateOperationRequest, now: Date): Promise<Operation> {
    const { replicationServer } = request;
    this.#replicationServers.require(replicationServer);
    requireCheck(request);
    const operationId = operationIdOf(serverSubject(replicationServer), request.idempotencyKey);
    const existing = this.#bucket.get(operationId);
    if (existing !== null) return existing.value;
    return this.#ask(replicationServer, now, { ...asked(operationId, request, now), replicationServer });
  }

  async #ask(name: string, now: Date, fields: Asked): Promise<Operation> {
    const { operationId } = fields;
    const operation = Operation.fromPartial({ ...fields, state: OperationState.PENDING, createdAt: now });
    this.#checkPending(subjectOf(operation), name);
    try {
      const entry = await this.#bucket.create(operationId, operation);
      const fact = { $case: 'operationRequested', value: { operation } } as const;
      this.#tell(operation, fact, entry.revision);
      return operation;
    } catch (error) {
      // The same request came twice at once.
      const first = await this.#bucket.fetch(operationId);
      if (first === null) throw error;
      return first.value;
    }
  }

  /** NOT_FOUND when there is none, here or made just now by another registry. */
  async find(operationId: string): Promise<Operation> {
    const entry = await this.#bucket.find(operationId);
    if (entry !== null) return entry.value;
    throw new LmsError('NOT_FOUND', `there is no operation ${operationId}`, {
      action: 'operations are kept for a day after they are over',
    });
  }

  /** Waits until it is over, for `waitMilliseconds` at most. */
  async wait(operationId: string, waitMilliseconds: number, signal: AbortSignal): Promise<Operation> {
    const found = await this.find(operationId);
    let seen = false;
    // One that is forgotten meanwhile will not change any more; one that another replica has just made will be seen.
    const ended = (): boolean => {
      const operation = this.#bucket.get(operationId)?.value;
      seen ||= operation !== undefined;
      return operation === undefined ? seen : isOver(operation);
    };
    await this.#until([subjectOf(found)], ended, waitMilliseconds, signal);
    return seen ? this.find(operationId) : found;
  }

  /** What the agent must still be told, oldest first; waits for the first. */
  async commands(
    machineId: string,
    known: readonly string[],
    waitMilliseconds: number,
    signal: AbortSignal,
  ): Promise<Operation[]> {
    const atWork = new Set(known);
    const commands = (): Operation[] =>
      this.#index.of(machineId).filter((one) => isAgentCommand(one) && !atWork.has(one.operationId));
    await this.#until([machineId], () => commands().length > 0, waitMilliseconds, signal);
    return commands();
  }

  /** What a replication server must do for these machines, and (unless its name is empty) for itself; oldest first. */
  tasks(machineIds: readonly string[], replicationServer: string): Operation[] {
    const subjects = taskSubjects(machineIds, replicationServer);
    return subjects.flatMap((subject) => this.#index.of(subject).filter(isTask)).sort(oldestFirst);
  }

  /** Waits until the condition holds, as long as the caller may; `also`: see `OperationIndex.waitFor`. */
  waitForTasks(
    machineIds: readonly string[],
    replicationServer: string,
    condition: () => boolean,
    { waitMilliseconds, signal, also }: TaskWait,
  ): Promise<void> {
    return this.#until(taskSubjects(machineIds, replicationServer), condition, waitMilliseconds, signal, also);
  }

  /** PERMISSION_DENIED unless the operation is for one of these machines, or this replication server. */
  async complete(request: CompleteOperationRequest, now: Date): Promise<Operation> {
    const found = await this.find(request.operationId);
    if (!mayComplete(found, request)) {
      throw new LmsError('PERMISSION_DENIED', `operation ${request.operationId} is for somebody else`);
    }
    const { machineId, kind, sequence, diskId, checkpointId } = found;
    const reported = this.#points.get(machineId, request.sequence);
    const operation = await this.#modify(request.operationId, (one) => withResult(one, request, reported, now));
    if (operation.state !== OperationState.SUCCEEDED) return operation;
    if (kind === OperationKind.DELETE_POINT) await this.#points.remove(machineId, sequence);
    if (kind === OperationKind.PIN_POINT || kind === OperationKind.UNPIN_POINT) {
      await this.#points.setPinned(machineId, sequence, checkpointId, kind === OperationKind.PIN_POINT);
    }
    const report = operation.verifyReport;
    if (kind === OperationKind.VERIFY_POINT && report?.mismatchedBlocks === 0n) {
      await this.#points.addDigests(machineId, sequence, checkpointId, report.sha256);
    }
    if (kind === OperationKind.EXPORT_DISK && operation.sha256 !== '') {
      await this.#points.addDigests(machineId, sequence, checkpointId, [{ diskId, sha256: operation.sha256 }]);
    }
    return operation;
  }

  /** Ends those that asked for one of these points. */
  async pointsReported(machineId: string, points: readonly Point[], now: Date): Promise<void> {
    const asked = this.#index.of(machineId);
    const waiting = asked.filter((one) => one.kind === OperationKind.CREATE_POINT && !isOver(one));
    for (const { operationId } of waiting) {
      await this.#modify(operationId, (one) => points.reduce((next, point) => withPoint(next, point, now), one));
    }
  }

  /** Those under way that read a point of this machine. */
  usesOf(machineId: string): readonly Operation[] {
    return this.#index.of(machineId).filter((one) => readsPoint(one) && !isOver(one));
  }

  /** Machines of which any is kept. */
  machineIds(): ReadonlySet<string> {
    return new Set(this.#bucket.entries().map(({ value }) => value.machineId));
  }

  /** Of a machine that was removed: ends what is under way, so that nobody waits for it, and forgets all. */
  async discard(machineId: string, now: Date): Promise<void> {
    for (const { operationId } of this.#index.of(machineId)) {
      await this.#modify(operationId, (one) =>
        isOver(one) ? one : failed(one, 'REMOVED', `machine ${machineId} was removed`, now),
      );
      const entry = this.#bucket.get(operationId);
      if (entry !== null) await this.#bucket.delete(operationId, entry.revision);
    }
  }

  /** Ends those whose time is over, forgets those that were over long ago. */
  async sweep(now: Date): Promise<void> {
    for (const { key, value, revision } of this.#bucket.entries()) {
      if (!isOver(value)) {
        const machine = this.#machines.find(value.machineId, now);
        await this.#modify(key, (one) => withExpiry(one, machine, now));
      } else if (now.getTime() - (value.completedAt?.getTime() ?? 0) > KEEP_COMPLETED_MILLISECONDS) {
        await this.#bucket.delete(key, revision);
      }
    }
  }

  async #modify(operationId: string, change: (operation: Operation) => Operation): Promise<Operation> {
    let completed = false;
    const entry = await this.#bucket.modify(operationId, (current) => {
      if (current === null) throw new LmsError('NOT_FOUND', `there is no operation ${operationId}`);
      const next = change(current);
      completed = !isOver(current) && isOver(next);
      return next;
    });
    if (completed) {
      const fact = { $case: 'operationCompleted', value: { operation: entry.value } } as const;
      this.#tell(entry.value, fact, entry.revision);
    }
    return entry.value;
  }

  #tell(operation: Operation, fact: NonNullable<Event['fact']>, revision: number): void {
    const { operationId, machineId, replicationServer } = operation;
    this.#facts.tell(machineId || replicationServer, fact, `operation.${operationId}`, revision);
  }

  #checkPending(subject: string, name: string): void {
    const pending = this.#index.of(subject).filter((one) => !isOver(one));
    if (pending.length < MAXIMUM_PENDING) return;
    throw new LmsError('RESOURCE_EXHAUSTED', `${pending.length} operations wait for ${name} already`, {
      action: 'wait until some of them are over',
    });
  }

  /** Until the condition holds or the time is over, whichever is first; rejects when the caller gave up. */
  async #until(
    subjects: readonly string[],
    condition: () => boolean,
    waitMilliseconds: number,
    signal: AbortSignal,
    also?: TaskWait['also'],
  ): Promise<void> {
    if (waitMilliseconds === 0 || condition()) return;
    const timeout = AbortSignal.timeout(Math.min(waitMilliseconds, LONGEST_WAIT_MILLISECONDS));
    try {
      await this.#index.waitFor(subjects, condition, AbortSignal.any([signal, timeout]), also);
    } catch (error) {
      if (!timeout.aborted || signal.aborted) throw error;
    }
  }
}

/** What every operation has of its request. */
function asked(operationId: string, request: CreateOperationRequest, now: Date): Asked {
  const { kind, timeoutSeconds, traceparent, check } = request;
  const deadline = new Date(now.getTime() + (timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1_000);
  return { operationId, kind, deadline, traceparent, ...(check === undefined ? {} : { check }) };
}

function taskSubjects(machineIds: readonly string[], replicationServer: string): readonly string[] {
  return replicationServer === '' ? machineIds : [...machineIds, serverSubject(replicationServer)];
}
