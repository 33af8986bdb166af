/**
 * What a machine's replication looks like to an operator, from what was reported about it. Pure: the same facts and the
 * same instant give the same answer, in every replica and in the tests.
 *
 * The agent's own word is taken unless something else is known better, in this order:
 *
 *   an operator paused or stopped it            → PAUSED, STOPPED
 *   it never reported, for a long time          → STALLED, AGENT_NOT_SEEN
 *   it reported once, and now does not          → DISCONNECTED
 *   staging has no room (either end says so)    → STALLED, STAGING_FULL
 *   the agent says that it is stalled           → STALLED, its cause
 *   an initiation step failed, before any data  → STALLED, FAILED_TO_<STEP>
 *   the backlog does not shrink, and no point   → STALLED, NOT_CONVERGING
 *   it says CONTINUOUS, but points do not come  → STALLED, SNAPSHOTS_FAILURE
 *   else                                        → what the agent says
 */
import { ReplicationState, StallCause, type MachineStatus } from '@lms/proto';
import type { KnownFacts } from './known-facts.ts';
import { backlogBytes, type MachineFacts } from './machine-facts.ts';

/** How long to wait before something counts as wrong. */
export interface Patience {
  /** An agent reports every few seconds; it is DISCONNECTED after this. */
  readonly agentSilentMilliseconds: number;
  /** From enrolment to the first report: a person may start the agent a little later. */
  readonly firstReportMilliseconds: number;
  /** A backlog that is not smaller after this, with no point meanwhile, does not converge. */
  readonly convergenceMilliseconds: number;
  /** Points may be late by this, or by `pointIntervalsMissed` intervals, whichever is longer. */
  readonly pointLateMilliseconds: number;
  readonly pointIntervalsMissed: number;
}

export const DEFAULT_PATIENCE: Patience = {
  agentSilentMilliseconds: 30_000,
  firstReportMilliseconds: 300_000,
  convergenceMilliseconds: 600_000,
  pointLateMilliseconds: 600_000,
  pointIntervalsMissed: 10,
};

const EPOCH = new Date(0).toISOString();

interface Verdict {
  readonly state: ReplicationState;
  readonly stallCause?: StallCause;
  readonly detail?: string;
}

export function deriveStatus(facts: MachineFacts, now: Date, patience: Patience): MachineStatus {
  const verdict = judge(facts, now.getTime(), patience);
  const disks = facts.agent?.sample.disks ?? [];
  return {
    machineId: facts.machineId,
    state: verdict.state,
    stallCause: verdict.stallCause ?? StallCause.UNSPECIFIED,
    detail: verdict.detail ?? '',
    lagSeconds: lagSeconds(facts, now),
    backlogBytes: facts.agent === null ? undefined : backlogBytes(disks),
    disks: [...disks],
    lastSampleAt: facts.agent?.sample.at,
  };
}

/** Now minus the instant of the last committed point; undefined when there is none. Never below 0: clocks differ. */
export function lagSeconds(facts: Pick<KnownFacts, 'lastPoint'>, now: Date): number | undefined {
  if (facts.lastPoint === null) return undefined;
  return Math.max(0, (now.getTime() - Date.parse(facts.lastPoint.createdAt)) / 1000);
}

function judge(facts: MachineFacts, now: number, patience: Patience): Verdict {
  const { agent } = facts;
  if (agent === null) return judgeUnseen(facts, now, patience);
  const { sample } = agent;
  if (sample.state === ReplicationState.STOPPED || sample.state === ReplicationState.PAUSED) {
    return { state: sample.state, detail: sample.detail };
  }
  const silentMilliseconds = now - agent.receivedAt.getTime();
  if (silentMilliseconds > patience.agentSilentMilliseconds) {
    const detail = `the agent has reported nothing for ${Math.round(silentMilliseconds / 1000)} s`;
    return { state: ReplicationState.DISCONNECTED, stallCause: StallCause.AGENT_NOT_SEEN, detail };
  }
  return (
    judgeStaging(facts) ??
    judgeAgentStall(facts) ??
    judgeInitiation(facts) ??
    judgeConvergence(facts, now, patience) ??
    judgePoints(facts, now, patience) ?? { state: sample.state, detail: sample.detail }
  );
}

function judgeUnseen(facts: MachineFacts, now: number, patience: Patience): Verdict {
  const initiation = judgeInitiation(facts);
  if (initiation !== null) return initiation;
  if (facts.enrolledAt === null) return { state: ReplicationState.UNSPECIFIED };
  if (now - Date.parse(facts.enrolledAt) <= patience.firstReportMilliseconds) {
    return { state: ReplicationState.INITIATING, detail: 'the agent has not reported yet' };
  }
  return stalled(StallCause.AGENT_NOT_SEEN, 'the agent has never reported: is lms-agent run started on the machine?');
}

function judgeStaging({ server }: MachineFacts): Verdict | null {
  if (server?.sample.stallCause !== StallCause.STAGING_FULL) return null;
  return stalled(StallCause.STAGING_FULL, server.sample.stallDetail || 'the staging disk has no room');
}

function judgeAgentStall({ agent }: MachineFacts): Verdict | null {
  if (agent?.sample.state !== ReplicationState.STALLED) return null;
  return stalled(agent.sample.stallCause, agent.sample.stallDetail || agent.sample.detail);
}

/** Once data flows, a step that failed earlier is history. */
function judgeInitiation({ agent, server, failedSteps }: MachineFacts): Verdict | null {
  const replicates = agent !== null && agent.sample.state !== ReplicationState.INITIATING;
  const [first] = failedSteps;
  if (first === undefined || replicates || server?.sample.steps?.dataTransfer === true) return null;
  return stalled(causeOfStep(first.step), first.error);
}

function causeOfStep(step: KnownFacts['failedSteps'][number]['step']): StallCause {
  if (step === 'UNSPECIFIED' || step === 'UNRECOGNIZED') return StallCause.UNSPECIFIED;
  return StallCause[`FAILED_TO_${step}`];
}

function judgeConvergence(facts: MachineFacts, now: number, patience: Patience): Verdict | null {
  const { agent, backlogSince } = facts;
  if (agent?.sample.state !== ReplicationState.BACKLOG || backlogSince === null) return null;
  const since = Math.max(backlogSince.at.getTime(), Date.parse(facts.lastPoint?.committedAt ?? EPOCH));
  const backlog = backlogBytes(agent.sample.disks);
  if (now - since <= patience.convergenceMilliseconds || backlog < backlogSince.bytes) return null;
  const minutes = Math.round((now - since) / 60_000);
  return stalled(
    StallCause.NOT_CONVERGING,
    `the backlog has not become smaller for ${minutes} min: the machine writes faster than the network carries`,
  );
}

function judgePoints(facts: MachineFacts, now: number, patience: Patience): Verdict | null {
  const { agent, lastPoint, continuousSince } = facts;
  if (agent?.sample.state !== ReplicationState.CONTINUOUS || continuousSince === null) return null;
  const since = Math.max(continuousSince.getTime(), Date.parse(lastPoint?.committedAt ?? EPOCH));
  const allowed = Math.max(
    patience.pointLateMilliseconds,
    patience.pointIntervalsMissed * facts.pointIntervalSeconds * 1000,
  );
  if (now - since <= allowed) return null;
  const detail = `no point in time was committed for ${Math.round((now - since) / 60_000)} min`;
  return stalled(
    StallCause.SNAPSHOTS_FAILURE,
    agent.sample.detail === '' ? detail : `${detail}: ${agent.sample.detail}`,
  );
}

function stalled(stallCause: StallCause, detail: string): Verdict {
  return { state: ReplicationState.STALLED, stallCause, detail };
}
