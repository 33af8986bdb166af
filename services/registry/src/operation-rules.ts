/**
 * What becomes of an operation. No I/O.
 *
 *     PENDING ──(its result, or the point that it asked for)──► SUCCEEDED | FAILED
 *        └─────(its deadline and the grace are over)──────────► FAILED
 *
 * A CREATE_POINT is over when the replication server has reported the point, not when the agent says so: who is told
 * "done" must find the point in the list. Nothing leaves SUCCEEDED or FAILED; a second result changes nothing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { LmsError } from '@lms/errors';
import {
  OperationKind,
  OperationState,
  type CompleteOperationRequest,
  type Machine,
  type Operation,
  type Point,
} from '@lms/proto';
import { satisfies } from './point-rules.ts';

/** After its deadline: time in which the agent's own words ("disk sda was busy") still arrive. */
const GRACE_MILLISECONDS = 10_000;
/** After the agent has said that the point is made: time in which the replication server's report arrives. */
const REPORT_GRACE_MILLISECONDS = 60_000;

const FOR_AGENT: ReadonlySet<OperationKind> = new Set([
  OperationKind.CREATE_POINT,
  OperationKind.RESCAN,
  OperationKind.PAUSE,
  OperationKind.RESUME,
  OperationKind.CHECK_FROM_AGENT,
]);

export function isForAgent(kind: OperationKind): boolean {
  return FOR_AGENT.has(kind);
}

export function isOver(operation: Operation): boolean {
  return operation.state !== OperationState.PENDING;
}

/** Whether the agent must still be told. */
export function isAgentCommand(operation: Operation): boolean {
  return !isOver(operation) && isForAgent(operation.kind) && operation.sequence === 0n;
}

export function isTask(operation: Operation): boolean {
  return !isOver(operation) && !isForAgent(operation.kind);
}

/** Whether it tries a way through the network, and its result is a report. */
export function isCheck(kind: OperationKind): boolean {
  return kind === OperationKind.CHECK_FROM_AGENT || kind === OperationKind.CHECK_FROM_REPLICATION_SERVER;
}

/** Whether it is for this caller: the machine's agent, or the replication server of the machine or of this name. */
export function mayComplete(
  operation: Operation,
  { machineIds, replicationServer }: CompleteOperationRequest,
): boolean {
  if (operation.replicationServer !== '') return operation.replicationServer === replicationServer;
  return machineIds.includes(operation.machineId);
}

/** Whether the point that it means is in use until it is over. */
export function readsPoint({ kind }: Operation): boolean {
  return kind === OperationKind.VERIFY_POINT || kind === OperationKind.EXPORT_DISK;
}

/** The same key for the same machine (or replication server) is the same operation. */
export function operationIdOf(subject: string, idempotencyKey: string): string {
  if (idempotencyKey === '') return randomUUID();
  return createHash('sha256').update(`${subject}\n${idempotencyKey}`).digest('hex').slice(0, 32);
}

export function succeeded(operation: Operation, now: Date, sequence = operation.sequence): Operation {
  return { ...operation, state: OperationState.SUCCEEDED, sequence, completedAt: now };
}

export function failed(operation: Operation, code: string, message: string, now: Date): Operation {
  return { ...operation, state: OperationState.FAILED, errorCode: code, errorMessage: message, completedAt: now };
}

/** With a result; the same object when it is over already. `reported`: the point that it names, when it was reported. */
export function withResult(
  operation: Operation,
  result: CompleteOperationRequest,
  reported: Point | null,
  now: Date,
): Operation {
  if (isOver(operation)) return operation;
  if (!result.succeeded) {
    const message = result.errorMessage || 'it failed, and no reason was given';
    return failed(operation, result.errorCode || 'INTERNAL', message, now);
  }
  if (isCheck(operation.kind)) {
    const { checkReportJson } = result;
    if (checkReportJson !== '') return { ...succeeded(operation, now), checkReportJson };
    throw new LmsError('INVALID_ARGUMENT', 'a check that was carried out has a report', { field: 'report' });
  }
  if (operation.kind !== OperationKind.CREATE_POINT) {
    const { verifyReport, sha256 } = result;
    return { ...succeeded(operation, now), sha256, ...(verifyReport === undefined ? {} : { verifyReport }) };
  }
  if (result.sequence === 0n) {
    throw new LmsError('INVALID_ARGUMENT', 'a point that was made has a sequence', { field: 'sequence' });
  }
  if (reported !== null) return withPoint({ ...operation, sequence: result.sequence }, reported, now);
  return { ...operation, sequence: result.sequence };
}

/** With a point that was reported; the same object when the point is not the one that was asked for. */
export function withPoint(operation: Operation, point: Point, now: Date): Operation {
  if (isOver(operation) || operation.kind !== OperationKind.CREATE_POINT) return operation;
  const isMeant = point.requestId === operation.operationId || point.sequence === operation.sequence;
  if (!isMeant || !satisfies(point, operation.consistency)) return operation;
  return succeeded(operation, now, point.sequence);
}

/** Failed when its time is over; else the same object. */
export function withExpiry(operation: Operation, machine: Machine | null, now: Date): Operation {
  if (isOver(operation)) return operation;
  const deadline = operation.deadline?.getTime() ?? 0;
  const made = operation.kind === OperationKind.CREATE_POINT && operation.sequence !== 0n;
  if (now.getTime() < deadline + (made ? REPORT_GRACE_MILLISECONDS : GRACE_MILLISECONDS)) return operation;
  return failed(operation, 'DEADLINE_EXCEEDED', expiryMessage(operation, machine, made), now);
}

function expiryMessage(operation: Operation, machine: Machine | null, made: boolean): string {
  if (operation.replicationServer !== '') {
    return `the replication server ${operation.replicationServer} did not answer in time`;
  }
  const name = machine?.name ?? operation.machineId;
  if (made) return `the agent of ${name} made point ${operation.sequence}, but no replication server has reported it`;
  if (!isForAgent(operation.kind)) return `the replication server of ${name} did not finish in time`;
  return machine?.agentConnected === true
    ? `the agent of ${name} did not finish in time`
    : `the agent of ${name} is not connected`;
}
