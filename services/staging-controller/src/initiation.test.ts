import { expect, test } from '@jest/globals';
import { nextSteps, STEPS, type StepName, type StepRecord } from './initiation.ts';
import type { MachineObservation, ServerObservation } from './observation.ts';

const T0 = Date.parse('2026-11-23T12:00:00Z');
const at = (seconds: number): Date => new Date(T0 + seconds * 1000);

const RUNNING: ServerObservation = {
  stagingError: null,
  stagingLost: false,
  networkPolicy: null,
  running: true,
  startedAt: at(0),
  failure: null,
  attempt: 1,
  nextAttemptAt: null,
  authenticated: true,
  ready: true,
};
const ENDED: ServerObservation = { ...RUNNING, running: false, startedAt: null, authenticated: false, ready: false };
const NEW: MachineObservation = {
  hasNetworkPolicies: false,
  assigned: false,
  server: null,
  assignmentTaken: false,
  agentKnowsServer: false,
  report: null,
  agentTrouble: null,
};
const ASSIGNED: MachineObservation = { ...NEW, assigned: true, server: RUNNING };
const PAIRED: MachineObservation = { ...ASSIGNED, assignmentTaken: true, agentKnowsServer: true };
const NO_DATA = { stagingDisks: false, connected: false, dataTransfer: false, stalled: null };
const CONNECTED: MachineObservation = { ...PAIRED, report: { ...NO_DATA, stagingDisks: true, connected: true } };
const REPLICATING: MachineObservation = {
  ...PAIRED,
  report: { ...NO_DATA, stagingDisks: true, connected: true, dataTransfer: true },
};

function step(records: readonly StepRecord[], name: StepName): StepRecord {
  const found = records.find((record) => record.step === name);
  if (found === undefined) throw new Error(`no step ${name}`);
  return found;
}

const states = (records: readonly StepRecord[]) => records.map(({ state }) => state);

test('all seven steps are always there, in their order', () => {
  expect(nextSteps([], NEW, at(0)).map((record) => record.step)).toEqual(STEPS);
});

test('without anything seen nothing is claimed; on a host there is no network policy', () => {
  expect(states(nextSteps([], NEW, at(0)))).toEqual(['SKIPPED', ...Array<string>(6).fill('NOT_STARTED')]);
});

test('a machine that replicates has passed every step', () => {
  expect(states(nextSteps([], REPLICATING, at(0)))).toEqual(['SKIPPED', ...Array<string>(6).fill('SUCCEEDED')]);
});

interface Case {
  readonly name: StepName;
  readonly seen: MachineObservation;
  readonly afterSeconds: number;
  readonly error: string;
}

const refused = { code: 'UNAUTHENTICATED' as const, message: 'the token is used up' };
const crashed = { code: 'INTERNAL' as const, message: 'replication-server ended with exit code 1' };

const FAILURES: readonly Case[] = [
  {
    name: 'CREATE_STAGING_DISKS',
    seen: { ...ASSIGNED, server: { ...ENDED, stagingError: 'the folder cannot be used', failure: crashed } },
    afterSeconds: 0,
    error: 'the folder cannot be used',
  },
  {
    name: 'CREATE_STAGING_DISKS',
    seen: { ...PAIRED, report: { ...NO_DATA, stalled: 'no room in /data' } },
    afterSeconds: 0,
    error: 'no room in /data',
  },
  {
    name: 'LAUNCH_REPLICATION_SERVER',
    seen: { ...ASSIGNED, server: { ...ENDED, failure: crashed, attempt: 3, nextAttemptAt: at(4) } },
    afterSeconds: 0,
    error: 'replication-server ended with exit code 1',
  },
  {
    name: 'LAUNCH_REPLICATION_SERVER',
    seen: { ...ASSIGNED, server: { ...RUNNING, authenticated: false, ready: false } },
    afterSeconds: 61,
    error: 'the replication server runs and has not said that it listens',
  },
  {
    name: 'AUTHENTICATE_WITH_SERVICE',
    seen: { ...ASSIGNED, server: { ...ENDED, failure: refused, attempt: 2, nextAttemptAt: at(1) } },
    afterSeconds: 0,
    error: 'the token is used up',
  },
  {
    name: 'PAIR_REPLICATION_SERVER_WITH_AGENT',
    seen: { ...ASSIGNED, agentKnowsServer: true },
    afterSeconds: 61,
    error: 'the replication server has not taken over the machine',
  },
  {
    name: 'PAIR_REPLICATION_SERVER_WITH_AGENT',
    seen: { ...ASSIGNED, assignmentTaken: true },
    afterSeconds: 61,
    error: 'the agent has not asked for its replication server: start lms-agent run on the machine',
  },
  {
    name: 'CONNECT_AGENT_TO_REPLICATION_SERVER',
    seen: { ...PAIRED, agentTrouble: 'connection refused' },
    afterSeconds: 0,
    error: 'connection refused',
  },
  {
    name: 'CONNECT_AGENT_TO_REPLICATION_SERVER',
    seen: PAIRED,
    afterSeconds: 61,
    error: 'the agent has not connected to its replication server: open its TCP port (1500) for the machine',
  },
  {
    name: 'START_DATA_TRANSFER',
    seen: { ...CONNECTED, agentTrouble: 'the disk cannot be read' },
    afterSeconds: 0,
    error: 'the disk cannot be read',
  },
  {
    name: 'START_DATA_TRANSFER',
    seen: CONNECTED,
    afterSeconds: 121,
    error: 'the agent is connected and has sent nothing: see its log',
  },
];

test.each(FAILURES)('$name fails with: $error', ({ name, seen, afterSeconds, error }) => {
  const first = nextSteps([], seen, at(0));
  const later = nextSteps(first, seen, at(afterSeconds));
  expect(step(later, name)).toMatchObject({ state: 'FAILED', error });
});

test.each(FAILURES)('$name is healed when the cause of "$error" is gone', ({ name, seen, afterSeconds }) => {
  const failed = nextSteps(nextSteps([], seen, at(0)), seen, at(afterSeconds));
  expect(step(nextSteps(failed, REPLICATING, at(200)), name)).toMatchObject({ state: 'SUCCEEDED', error: '' });
});

test('a failed start counts its attempts and says when the next one is', () => {
  const seen = { ...ASSIGNED, server: { ...ENDED, failure: crashed, attempt: 3, nextAttemptAt: at(4) } };
  expect(step(nextSteps([], seen, at(0)), 'LAUNCH_REPLICATION_SERVER')).toMatchObject({
    attempt: 3,
    nextAttemptAt: at(4).toISOString(),
  });
});

test('a server that is refused was launched: only its authentication failed', () => {
  const seen = { ...ASSIGNED, server: { ...ENDED, failure: refused } };
  const records = nextSteps([], seen, at(0));
  expect(step(records, 'LAUNCH_REPLICATION_SERVER').state).toBe('SUCCEEDED');
  expect(step(records, 'AUTHENTICATE_WITH_SERVICE').state).toBe('FAILED');
});

test('a replication server that ended later takes back its own steps and none of the agent', () => {
  const replicating = nextSteps([], REPLICATING, at(0));
  const ended = nextSteps(replicating, { ...NEW, assigned: true, server: { ...ENDED, failure: crashed } }, at(10));
  expect(states(ended)).toEqual([
    'SKIPPED',
    'SUCCEEDED',
    'FAILED',
    'NOT_STARTED',
    'SUCCEEDED',
    'SUCCEEDED',
    'SUCCEEDED',
  ]);
});

test('nothing new leaves every record as it is', () => {
  const first = nextSteps([], PAIRED, at(0));
  const second = nextSteps(first, PAIRED, at(30));
  expect(second.every((record, index) => record === first[index])).toBe(true);
});

test('a controller that has just started takes nothing back of a server that runs on', () => {
  const replicating = nextSteps([], REPLICATING, at(10));
  const unheard = { ...RUNNING, authenticated: false, ready: false };
  const same = nextSteps(replicating, { ...REPLICATING, server: unheard }, at(20));
  expect(same.every((record, index) => record === replicating[index])).toBe(true);
  const another = nextSteps(replicating, { ...REPLICATING, server: { ...unheard, startedAt: at(15) } }, at(20));
  expect(step(another, 'LAUNCH_REPLICATION_SERVER').state).toBe('IN_PROGRESS');
});

test('where there are network policies, theirs is the first step', () => {
  const seen = (networkPolicy: ServerObservation['networkPolicy']): MachineObservation => ({
    ...ASSIGNED,
    hasNetworkPolicies: true,
    server: { ...RUNNING, networkPolicy },
  });
  const stateOf = (observation: MachineObservation) => step(nextSteps([], observation, at(0)), 'CREATE_NETWORK_POLICY');
  expect(stateOf(seen({ created: false, error: null })).state).toBe('IN_PROGRESS');
  expect(stateOf(seen({ created: false, error: 'forbidden' }))).toMatchObject({ state: 'FAILED', error: 'forbidden' });
  expect(stateOf(seen({ created: true, error: null })).state).toBe('SUCCEEDED');
});

test('staging disks that were there and are lost are told as the step that failed', () => {
  const replicating = nextSteps([], REPLICATING, at(0));
  const server = { ...ENDED, stagingError: 'the volume is lost', stagingLost: true };
  const lost = nextSteps(replicating, { ...REPLICATING, server }, at(10));
  expect(step(lost, 'CREATE_STAGING_DISKS')).toMatchObject({ state: 'FAILED', error: 'the volume is lost' });
});
