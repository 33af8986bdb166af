import { expect, test } from '@jest/globals';
import {
  CompleteOperationRequest,
  Consistency,
  CreateOperationRequest,
  Machine,
  Operation,
  OperationKind,
  OperationState,
  Point,
} from '@lms/proto';
import { checkOperation } from './operation-checks.ts';
import {
  isAgentCommand,
  isTask,
  mayComplete,
  operationIdOf,
  withExpiry,
  withPoint,
  withResult,
} from './operation-rules.ts';

const now = new Date('2026-11-23T12:00:00Z');
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);

const operation = (change: Partial<Operation> = {}): Operation => ({
  ...Operation.fromPartial({
    operationId: 'op',
    machineId: 'm-1',
    kind: OperationKind.CREATE_POINT,
    state: OperationState.PENDING,
  }),
  createdAt: now,
  deadline: later(60),
  ...change,
});
const point = (change: Partial<Point> = {}): Point => ({
  ...Point.fromPartial({ sequence: 7n, consistency: Consistency.CRASH }),
  ...change,
});
const done = (change: Partial<CompleteOperationRequest> = {}): CompleteOperationRequest => ({
  ...CompleteOperationRequest.fromPartial({ operationId: 'op', succeeded: true }),
  ...change,
});

test('a point that the agent made ends its operation only when it was reported', () => {
  const told = withResult(operation(), done({ sequence: 7n }), null, now);
  expect(told.state).toBe(OperationState.PENDING);
  expect(isAgentCommand(told)).toBe(false);
  expect(withPoint(told, point({ sequence: 6n }), now).state).toBe(OperationState.PENDING);
  expect(withPoint(told, point(), now)).toMatchObject({ state: OperationState.SUCCEEDED, sequence: 7n });
  expect(withResult(operation(), done({ sequence: 7n }), point(), now).state).toBe(OperationState.SUCCEEDED);
});

test('a reported point that carries the request ends it though the agent’s answer was lost', () => {
  const over = withPoint(operation(), point({ requestId: 'op' }), now);
  expect(over).toMatchObject({ state: OperationState.SUCCEEDED, sequence: 7n, completedAt: now });
});

test('a crash point does not satisfy who asked for filesystem, a filesystem point satisfies who asked for crash', () => {
  const wanted = operation({ consistency: Consistency.FILESYSTEM });
  expect(withPoint(wanted, point({ requestId: 'op' }), now)).toBe(wanted);
  const better = point({ requestId: 'op', consistency: Consistency.FILESYSTEM });
  expect(withPoint(wanted, better, now).state).toBe(OperationState.SUCCEEDED);
  expect(withPoint(operation({ consistency: Consistency.CRASH }), better, now).state).toBe(OperationState.SUCCEEDED);
});

test('nothing changes an operation that is over', () => {
  const over = withResult(
    operation(),
    done({ succeeded: false, errorCode: 'DEADLINE_EXCEEDED', errorMessage: 'sda busy' }),
    null,
    now,
  );
  expect(over).toMatchObject({ state: OperationState.FAILED, errorMessage: 'sda busy' });
  expect(withResult(over, done({ sequence: 7n }), point(), now)).toBe(over);
  expect(withPoint(over, point({ requestId: 'op' }), now)).toBe(over);
  expect(withExpiry(over, null, later(10_000))).toBe(over);
});

test('an operation fails after its deadline and a grace, and says who did not answer', () => {
  const machine = Machine.fromPartial({ name: 'web', agentConnected: true });
  const one = operation();
  expect(withExpiry(one, machine, later(69))).toBe(one);
  expect(withExpiry(one, machine, later(70)).errorMessage).toBe('the agent of web did not finish in time');
  expect(withExpiry(one, { ...machine, agentConnected: false }, later(70)).errorMessage).toMatch('not connected');
  const made = operation({ sequence: 7n });
  expect(withExpiry(made, machine, later(70))).toBe(made);
  expect(withExpiry(made, machine, later(120)).errorMessage).toMatch('no replication server has reported it');
});

test('agents get their kinds of operation and replication servers theirs', () => {
  expect(isAgentCommand(operation({ kind: OperationKind.RESCAN }))).toBe(true);
  expect(isTask(operation({ kind: OperationKind.RESCAN }))).toBe(false);
  expect(isTask(operation({ kind: OperationKind.VERIFY_POINT, sequence: 7n }))).toBe(true);
  expect(isAgentCommand(operation({ kind: OperationKind.VERIFY_POINT }))).toBe(false);
});

test('the same idempotency key for the same machine is the same operation, and no key is a new one each time', () => {
  expect(operationIdOf('m-1', 'k')).toBe(operationIdOf('m-1', 'k'));
  expect(operationIdOf('m-1', 'k')).not.toBe(operationIdOf('m-2', 'k'));
  expect(operationIdOf('m-1', '')).not.toBe(operationIdOf('m-1', ''));
});

test('what the state does not allow is refused with what is possible', () => {
  const disk = { diskId: 'a', device: '/dev/a', sizeBytes: 1n, sha256: '' };
  const machine = Machine.fromPartial({ name: 'web', lastPoint: { sequence: 7n }, settings: { freezing: false } });
  const check = (change: Partial<CreateOperationRequest>, on = machine, meant: Point | null = null) =>
    checkOperation({ ...CreateOperationRequest.fromPartial({}), ...change }, { machine: on, point: meant });
  const create = OperationKind.CREATE_POINT;
  expect(() => check({ kind: create, consistency: Consistency.FILESYSTEM })).toThrow('freezing is switched off');
  expect(() => check({ kind: create, consistency: Consistency.CRASH })).not.toThrow();
  expect(() => check({ kind: create }, { ...machine, paused: true })).toThrow('paused');
  expect(() => check({ kind: OperationKind.DELETE_POINT }, machine, point())).toThrow('newest');
  expect(() => check({ kind: OperationKind.DELETE_POINT }, machine, point({ sequence: 6n, pinned: true }))).toThrow(
    'pinned',
  );
  expect(() => check({ kind: OperationKind.DELETE_POINT }, machine, point({ sequence: 6n }))).not.toThrow();
  const withDisk = point({ disks: [disk] });
  expect(() => check({ kind: OperationKind.EXPORT_DISK, diskId: 'b' }, machine, withDisk)).toThrow('no disk b');
  expect(() => check({ kind: OperationKind.EXPORT_DISK, diskId: 'a' }, machine, withDisk)).not.toThrow();
  expect(() => check({ kind: OperationKind.UNSPECIFIED })).toThrow('not known');
});

const serverCheck = operation({
  machineId: '',
  replicationServer: 'rs-1',
  kind: OperationKind.CHECK_FROM_REPLICATION_SERVER,
});

test('a check is over with its report, whatever that says; without one nothing was carried out', () => {
  const asked = operation({ kind: OperationKind.CHECK_FROM_AGENT });
  expect([isAgentCommand(asked), isTask(asked)]).toEqual([true, false]);
  expect([isAgentCommand(serverCheck), isTask(serverCheck)]).toEqual([false, true]);
  const over = withResult(asked, done({ checkReportJson: '{"result":"failed"}' }), null, now);
  expect(over).toMatchObject({ state: OperationState.SUCCEEDED, checkReportJson: '{"result":"failed"}' });
  expect(() => withResult(asked, done(), null, now)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('what is for a replication server itself is completed by that one, whatever machines it or another serves', () => {
  expect(mayComplete(serverCheck, done({ replicationServer: 'rs-1' }))).toBe(true);
  expect(mayComplete(serverCheck, done({ replicationServer: 'rs-2', machineIds: [''] }))).toBe(false);
  expect(mayComplete(operation(), done({ machineIds: ['m-1'] }))).toBe(true);
  expect(mayComplete(operation(), done({ machineIds: ['m-2'], replicationServer: 'rs-1' }))).toBe(false);
});

test('a replication server that does not answer is named by the operation that expires', () => {
  const expired = withExpiry(serverCheck, null, later(71));
  expect(expired.errorMessage).toBe('the replication server rs-1 did not answer in time');
});

test('a check is of 443 or of 1500', () => {
  const subject = { machine: Machine.fromPartial({ machineId: 'm-1' }), point: null };
  const request = (target: string) =>
    CreateOperationRequest.fromPartial({ kind: OperationKind.CHECK_FROM_AGENT, check: { target } });
  expect(() => checkOperation(request('1500'), subject)).not.toThrow();
  expect(() => checkOperation(request('80'), subject)).toThrow(expect.objectContaining({ field: 'target' }));
});
