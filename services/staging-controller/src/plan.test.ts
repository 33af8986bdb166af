import { expect, test } from '@jest/globals';
import { plan, type ObservedArea } from './plan.ts';

const NOTHING: ObservedArea = {
  machineIds: [],
  assignments: new Map(),
  servedBy: new Map(),
  found: new Map(),
  removed: new Set(),
  serverOf: () => 'host',
};

test('a new machine is assigned, and one that is assigned stays where it is', () => {
  const observed = { ...NOTHING, machineIds: ['m-1', 'm-2'], assignments: new Map([['m-1', 'other']]) };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-2', replicationServer: 'host' }]);
});

test('each machine can have a replication server of its own', () => {
  const observed = { ...NOTHING, machineIds: ['m-1'], serverOf: (machineId: string) => `rs-${machineId}` };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-1', replicationServer: 'rs-m-1' }]);
});

test('a machine whose state was lost is assigned to the replication server that serves it', () => {
  const observed = { ...NOTHING, servedBy: new Map([['m-1', 'elsewhere']]) };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-1', replicationServer: 'elsewhere' }]);
});

test('a machine that nobody speaks of is assigned to the replication server that the driver has for it', () => {
  const observed = { ...NOTHING, found: new Map([['m-1', 'rs-m-1']]) };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-1', replicationServer: 'rs-m-1' }]);
});

test('a registry that knows no machines takes nothing away', () => {
  const observed = { ...NOTHING, assignments: new Map([['m-1', 'host']]) };
  expect(plan(observed)).toEqual([]);
});

test('a machine that was removed is released, and not assigned again by what is left of it', () => {
  const left = { machineIds: ['m-1'], servedBy: new Map([['m-1', 'rs-m-1']]), found: new Map([['m-1', 'rs-m-1']]) };
  const removed = new Set(['m-1']);
  const assigned = { ...NOTHING, ...left, removed, assignments: new Map([['m-1', 'rs-m-1']]) };
  expect(plan(assigned)).toEqual([{ kind: 'release', machineId: 'm-1' }]);
  expect(plan({ ...NOTHING, ...left, removed })).toEqual([]);
});
