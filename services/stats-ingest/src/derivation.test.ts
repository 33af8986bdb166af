import { expect, test } from '@jest/globals';
import {
  AgentSample,
  ReplicationServerSample,
  ReplicationState,
  StallCause,
  wordOf,
  type Event,
  InitiationStep,
  StepState,
} from '@lms/proto';
import { DEFAULT_PATIENCE, deriveStatus } from './derivation.ts';
import { NOTHING_KNOWN, withEvent, type KnownFacts } from './known-facts.ts';
import { NO_SAMPLES, withAgentSample, withServerSample, type MachineFacts, type Samples } from './machine-facts.ts';

const T0 = Date.parse('2026-11-23T12:00:00Z');
const at = (seconds: number): Date => new Date(T0 + seconds * 1000);

function agent(state: keyof typeof ReplicationState, seconds: number, more: Partial<AgentSample> = {}): AgentSample {
  return AgentSample.fromPartial({ at: at(seconds), state: ReplicationState[state], ...more });
}

function backlog(bytes: bigint): Pick<AgentSample, 'disks'> {
  return { disks: [{ diskId: 'd1', replicatedBytes: 0n, backlogBytes: bytes, tracker: 1 }] };
}

function facts(samples: Samples, known: Partial<KnownFacts> = {}): MachineFacts {
  return { machineId: 'm-1', ...NOTHING_KNOWN, ...known, ...samples };
}

function seen(...reports: AgentSample[]): Samples {
  return reports.reduce((samples, sample) => withAgentSample(samples, sample, sample.at ?? at(0)), NO_SAMPLES);
}

const point = (seconds: number) => ({
  lastPoint: { sequence: 1, createdAt: at(seconds).toISOString(), committedAt: at(seconds).toISOString() },
});

const full = ReplicationServerSample.fromPartial({
  at: at(0),
  machineId: 'm-1',
  stallCause: StallCause.STAGING_FULL,
  stallDetail: 'no room in /data',
});

const failed = (step: 'LAUNCH_REPLICATION_SERVER' | 'AUTHENTICATE_WITH_SERVICE') => ({
  failedSteps: [{ step, error: `why ${step} failed` }],
});

interface Case {
  readonly name: string;
  readonly given: MachineFacts;
  readonly atSeconds: number;
  readonly then: readonly [string | null, string | null];
  readonly detail?: string;
}

const CASES: readonly Case[] = [
  { name: 'nothing is known', given: facts(NO_SAMPLES), atSeconds: 0, then: [null, null] },
  {
    name: 'it enrolled a moment ago',
    given: facts(NO_SAMPLES, { enrolledAt: at(0).toISOString() }),
    atSeconds: 60,
    then: ['INITIATING', null],
  },
  {
    name: 'it enrolled long ago and never reported',
    given: facts(NO_SAMPLES, { enrolledAt: at(0).toISOString() }),
    atSeconds: 301,
    then: ['STALLED', 'AGENT_NOT_SEEN'],
  },
  {
    name: 'it enrolled and its replication server does not start',
    given: facts(NO_SAMPLES, { enrolledAt: at(0).toISOString(), ...failed('LAUNCH_REPLICATION_SERVER') }),
    atSeconds: 1,
    then: ['STALLED', 'FAILED_TO_LAUNCH_REPLICATION_SERVER'],
    detail: 'why LAUNCH_REPLICATION_SERVER failed',
  },
  {
    name: 'the agent says what it does',
    given: facts(seen(agent('INITIAL_SYNC', 0, { detail: 'reads' }))),
    atSeconds: 1,
    then: ['INITIAL_SYNC', null],
    detail: 'reads',
  },
  {
    name: 'the agent is silent for as long as is allowed',
    given: facts(seen(agent('CONTINUOUS', 0))),
    atSeconds: 30,
    then: ['CONTINUOUS', null],
  },
  {
    name: 'the agent is silent for longer',
    given: facts(seen(agent('CONTINUOUS', 0))),
    atSeconds: 31,
    then: ['DISCONNECTED', 'AGENT_NOT_SEEN'],
    detail: 'the agent has reported nothing for 31 s',
  },
  {
    name: 'the agent was paused and is silent',
    given: facts(seen(agent('PAUSED', 0))),
    atSeconds: 3_600,
    then: ['PAUSED', null],
  },
  {
    name: 'the agent was paused while staging is full',
    given: facts(withServerSample(seen(agent('PAUSED', 0)), full, at(0))),
    atSeconds: 1,
    then: ['PAUSED', null],
  },
  {
    name: 'the replication server has no room, whatever the agent says',
    given: facts(withServerSample(seen(agent('CONTINUOUS', 0)), full, at(0))),
    atSeconds: 1,
    then: ['STALLED', 'STAGING_FULL'],
    detail: 'no room in /data',
  },
  {
    name: 'the agent has a disk that cannot be replicated',
    given: facts(seen(agent('STALLED', 0, { stallCause: StallCause.UNSUPPORTED_CONFIGURATION, stallDetail: 'zram0' }))),
    atSeconds: 1,
    then: ['STALLED', 'UNSUPPORTED_CONFIGURATION'],
    detail: 'zram0',
  },
  {
    name: 'a step failed before any data',
    given: facts(seen(agent('INITIATING', 0)), failed('AUTHENTICATE_WITH_SERVICE')),
    atSeconds: 1,
    then: ['STALLED', 'FAILED_TO_AUTHENTICATE_WITH_SERVICE'],
  },
  {
    name: 'a step failed, but data flows',
    given: facts(seen(agent('CONTINUOUS', 0)), failed('AUTHENTICATE_WITH_SERVICE')),
    atSeconds: 1,
    then: ['CONTINUOUS', null],
  },
  {
    name: 'the backlog grows for longer than is allowed',
    given: facts(seen(agent('BACKLOG', 0, backlog(100n)), agent('BACKLOG', 601, backlog(200n)))),
    atSeconds: 601,
    then: ['STALLED', 'NOT_CONVERGING'],
  },
  {
    name: 'the backlog became smaller in between',
    given: facts(
      seen(
        agent('BACKLOG', 0, backlog(100n)),
        agent('BACKLOG', 300, backlog(99n)),
        agent('BACKLOG', 601, backlog(200n)),
      ),
    ),
    atSeconds: 601,
    then: ['BACKLOG', null],
  },
  {
    name: 'the backlog grows, but a point was committed',
    given: facts(seen(agent('BACKLOG', 0, backlog(100n)), agent('BACKLOG', 601, backlog(200n))), point(300)),
    atSeconds: 601,
    then: ['BACKLOG', null],
  },
  {
    name: 'it was CONTINUOUS between two backlogs',
    given: facts(
      seen(
        agent('BACKLOG', 0, backlog(100n)),
        agent('CONTINUOUS', 300, backlog(0n)),
        agent('BACKLOG', 601, backlog(200n)),
      ),
    ),
    atSeconds: 601,
    then: ['BACKLOG', null],
  },
  {
    name: 'points do not come although it is continuous',
    given: facts(seen(agent('CONTINUOUS', 0), agent('CONTINUOUS', 601)), point(0)),
    atSeconds: 601,
    then: ['STALLED', 'SNAPSHOTS_FAILURE'],
  },
  {
    name: 'points are wanted every hour only',
    given: facts(seen(agent('CONTINUOUS', 0), agent('CONTINUOUS', 601)), { ...point(0), pointIntervalSeconds: 3_600 }),
    atSeconds: 601,
    then: ['CONTINUOUS', null],
  },
];

test.each(CASES)('when $name, the state is $then', ({ given, atSeconds, then, detail }) => {
  const status = deriveStatus(given, at(atSeconds), DEFAULT_PATIENCE);
  expect([wordOf(ReplicationState, status.state), wordOf(StallCause, status.stallCause)]).toEqual(then);
  if (detail !== undefined) expect(status.detail).toBe(detail);
});

test('lag counts from the instant of the last point, is never negative, and is absent without a point', () => {
  const lagAfter = (seconds: number, known: Partial<KnownFacts>) =>
    deriveStatus(facts(NO_SAMPLES, known), at(seconds), DEFAULT_PATIENCE).lagSeconds;
  expect(lagAfter(12, point(10))).toBe(2);
  expect(lagAfter(5, point(10))).toBe(0);
  expect(lagAfter(5, {})).toBeUndefined();
});

test('backlog is the sum over all disks, and absent while nothing was reported', () => {
  const disk = (backlogBytes: bigint) => ({ diskId: 'd', replicatedBytes: 0n, backlogBytes, tracker: 1 as const });
  const sample = agent('BACKLOG', 0, { disks: [disk(2n ** 60n), disk(5n)] });
  expect(deriveStatus(facts(seen(sample)), at(0), DEFAULT_PATIENCE).backlogBytes).toBe(2n ** 60n + 5n);
  expect(deriveStatus(facts(NO_SAMPLES), at(0), DEFAULT_PATIENCE).backlogBytes).toBeUndefined();
});

test('an older sample that arrives later changes nothing', () => {
  const samples = seen(agent('CONTINUOUS', 10));
  expect(withAgentSample(samples, agent('RESCAN', 5), at(11))).toBe(samples);
});

test('an older point, a repeated fact and a fact of no concern change nothing', () => {
  const committed = (sequence: bigint): Event => ({
    occurredAt: at(1),
    machineId: 'm-1',
    fact: {
      $case: 'pointCommitted',
      value: {
        point: {
          sequence,
          checkpointId: 'c',
          requestId: '',
          consistency: 1,
          createdAt: at(0).toISOString(),
          pauseMicroseconds: 0n,
          disks: [],
          pinned: false,
        },
      },
    },
  });
  const known = withEvent(NOTHING_KNOWN, committed(7n));
  expect(known.lastPoint?.sequence).toBe(7);
  expect(withEvent(known, committed(7n))).toBe(known);
  expect(withEvent(known, committed(6n))).toBe(known);
  const deleted: Event = { ...committed(7n), fact: { $case: 'pointDeleted', value: { sequence: 7n } } };
  expect(withEvent(known, deleted)).toBe(known);
});

test('a step that failed is forgotten when it succeeds', () => {
  const step = (state: StepState): Event => ({
    occurredAt: at(0),
    machineId: 'm-1',
    fact: {
      $case: 'initiationStepChanged',
      value: {
        step: {
          step: InitiationStep.CREATE_STAGING_DISKS,
          state,
          error: state === StepState.FAILED ? 'no room' : '',
          nextAttemptAt: undefined,
          changedAt: at(0),
          attempt: 1,
        },
      },
    },
  });
  const known = withEvent(NOTHING_KNOWN, step(StepState.FAILED));
  expect(known.failedSteps).toEqual([{ step: 'CREATE_STAGING_DISKS', error: 'no room' }]);
  expect(withEvent(known, step(StepState.SUCCEEDED)).failedSteps).toEqual([]);
  expect(withEvent(NOTHING_KNOWN, step(StepState.SUCCEEDED))).toBe(NOTHING_KNOWN);
});
