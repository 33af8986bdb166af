import { expect, test } from '@jest/globals';
import type { Machine } from '@lms/api';
import { conditionHolds, parseMachineCondition } from './machine-condition.ts';

const machine: Machine = {
  id: 'm-0123456789abcdef0123',
  name: 'web',
  replicationState: 'CONTINUOUS',
  stallCause: null,
  detail: null,
  lifecycleState: 'READY_FOR_TEST',
  lagSeconds: null,
  backlogBytes: null,
  lastPoint: { sequence: 7, consistency: 'crash', createdAt: '2026-11-23T00:00:00Z', pinned: false, disks: [] },
  agent: { version: null, connected: true, lastSeenAt: null },
  disks: [],
};

test('conditions are about replication, lifecycle, or a point (that one or a later one)', () => {
  const holds = (text: string): boolean => conditionHolds(parseMachineCondition(text), machine);
  expect(holds('replication=CONTINUOUS')).toBe(true);
  expect(holds('replication=BACKLOG')).toBe(false);
  expect(holds('lifecycle=READY_FOR_TEST')).toBe(true);
  expect(['point=6', 'point=7', 'point=8'].map(holds)).toEqual([true, true, false]);
});

test('no point is not a point', () => {
  expect(conditionHolds(parseMachineCondition('point=1'), { ...machine, lastPoint: null })).toBe(false);
});

test.each(['', 'replication', 'replication=', 'replication=continuous', 'point=-1', 'point=1=2', 'state=X'])(
  '%j is no condition',
  (text) => {
    expect(() => parseMachineCondition(text)).toThrow(/needed/);
  },
);
