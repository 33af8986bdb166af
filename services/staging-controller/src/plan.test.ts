import { expect, test } from '@jest/globals';
import { plan, type ObservedArea } from './plan.ts';

const NOTHING: ObservedArea = {
  machineIds: [],
  assignments: new Map(),
  servedBy: new Map(),
  running: new Set(),
  sharedServer: 'host',
};

test('the replication server runs before there is any machine', () => {
  expect(plan(NOTHING)).toEqual([{ kind: 'runServer', name: 'host' }]);
});

test('a new machine is assigned, and one that is assigned stays where it is', () => {
  const observed = {
    ...NOTHING,
    running: new Set(['host']),
    machineIds: ['m-1', 'm-2'],
    assignments: new Map([['m-1', 'other']]),
  };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-2', replicationServer: 'host' }]);
});

test('a machine whose state was lost is assigned to the replication server that serves it', () => {
  const observed = { ...NOTHING, running: new Set(['host']), servedBy: new Map([['m-1', 'elsewhere']]) };
  expect(plan(observed)).toEqual([{ kind: 'assign', machineId: 'm-1', replicationServer: 'elsewhere' }]);
});

test('a registry that knows no machines takes nothing away', () => {
  const observed = { ...NOTHING, running: new Set(['host']), assignments: new Map([['m-1', 'host']]) };
  expect(plan(observed)).toEqual([]);
});
