/**
 * The initiation steps of one machine. Pure: from what was seen to what each step is.
 *
 *     NOT_STARTED ──▶ IN_PROGRESS ──▶ SUCCEEDED
 *                       │    ▲            │ (the replication server ended: only what depends on its process)
 *                       ▼    └────────────┘
 *                     FAILED ─────────▶ SUCCEEDED (as soon as it is seen to be so)
 *
 * No step is assumed: SUCCEEDED and FAILED come from an observed fact, or FAILED from nothing being observed for longer
 * than any healthy start takes. Everything is tried again by itself for ever, so FAILED says what is wrong now, and is
 * no end. What the agent has once done (paired, connected, sent data) stays done: later trouble is a stall, not a start.
 */
import { z } from 'zod';
import type { ErrorCode } from '@lms/errors';
import type { MachineObservation, ServerObservation } from './observation.ts';

export const STEPS = [
  'CREATE_NETWORK_POLICY',
  'CREATE_STAGING_DISKS',
  'LAUNCH_REPLICATION_SERVER',
  'AUTHENTICATE_WITH_SERVICE',
  'PAIR_REPLICATION_SERVER_WITH_AGENT',
  'CONNECT_AGENT_TO_REPLICATION_SERVER',
  'START_DATA_TRANSFER',
] as const;
export type StepName = (typeof STEPS)[number];

export const STEP_RECORD = z.object({
  step: z.enum(STEPS),
  state: z.enum(['NOT_STARTED', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'SKIPPED']),
  /** FAILED: what, where, what to do; else empty. */
  error: z.string(),
  attempt: z.number().int().nonnegative(),
  /** RFC 3339. FAILED: when it is tried again; null: as soon as the other side does it. */
  nextAttemptAt: z.string().nullable(),
  /** When it began to be tried; null: not yet. */
  since: z.string().nullable(),
  /** When state or error changed last. */
  changedAt: z.string(),
});
export type StepRecord = z.infer<typeof STEP_RECORD>;

/** Nothing observed for so long counts as failed. */
export interface Patience {
  /** Far above a healthy start on a slow machine. */
  readonly stepMilliseconds: number;
  /** From the connection to the first block: an agent prepares its maps in between. */
  readonly dataMilliseconds: number;
}

export const DEFAULT_PATIENCE: Patience = { stepMilliseconds: 60_000, dataMilliseconds: 120_000 };

/** How a replication server ends when it ran, but the manager did not accept it, or was not reached. */
const AUTHENTICATION_FAILURES: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'UNAVAILABLE',
]);

type Finding =
  | { readonly state: 'NOT_STARTED' | 'SUCCEEDED' | 'SKIPPED' }
  /** FAILED with `overdue` when it has been in progress for longer than the patience; null: it never is. */
  | { readonly state: 'IN_PROGRESS'; readonly overdue: string; readonly patience: keyof Patience }
  | { readonly state: 'IN_PROGRESS'; readonly overdue: null }
  | { readonly state: 'FAILED'; readonly error: string; readonly server?: ServerObservation | undefined };

const NOT_STARTED: Finding = { state: 'NOT_STARTED' };
const SUCCEEDED: Finding = { state: 'SUCCEEDED' };

/** All steps in their order. A record whose state and error are as before is the same object. */
export function nextSteps(
  before: readonly StepRecord[],
  seen: MachineObservation,
  now: Date,
  patience: Patience = DEFAULT_PATIENCE,
): readonly StepRecord[] {
  const known = (step: StepName): StepRecord | undefined => before.find((record) => record.step === step);
  const done = (step: StepName): boolean => known(step)?.state === 'SUCCEEDED';
  const held = (step: StepName): boolean => succeededSinceItsStart(known(step), seen.server);
  const lost = seen.server?.stagingLost === true;
  const paired = done('PAIR_REPLICATION_SERVER_WITH_AGENT') ? SUCCEEDED : findPairing(seen);
  const connected = done('CONNECT_AGENT_TO_REPLICATION_SERVER') ? SUCCEEDED : findConnection(seen, paired);
  const findings: Readonly<Record<StepName, Finding>> = {
    CREATE_NETWORK_POLICY: findNetworkPolicy(seen),
    CREATE_STAGING_DISKS: done('CREATE_STAGING_DISKS') && !lost ? SUCCEEDED : findStagingDisks(seen),
    LAUNCH_REPLICATION_SERVER: held('LAUNCH_REPLICATION_SERVER') ? SUCCEEDED : findLaunch(seen),
    AUTHENTICATE_WITH_SERVICE: held('AUTHENTICATE_WITH_SERVICE') ? SUCCEEDED : findAuthentication(seen),
    PAIR_REPLICATION_SERVER_WITH_AGENT: paired,
    CONNECT_AGENT_TO_REPLICATION_SERVER: connected,
    START_DATA_TRANSFER: done('START_DATA_TRANSFER') ? SUCCEEDED : findTransfer(seen, connected),
  };
  return STEPS.map((step) => advance(known(step), step, findings[step], now, patience));
}

/** A controller that has just started has seen no call yet; what was recorded of the process that still runs is true. */
function succeededSinceItsStart(record: StepRecord | undefined, server: ServerObservation | null): boolean {
  if (record?.state !== 'SUCCEEDED' || server === null) return false;
  const { running, failure, startedAt } = server;
  return running && failure === null && startedAt !== null && Date.parse(record.changedAt) >= startedAt.getTime();
}

function findNetworkPolicy({ hasNetworkPolicies, assigned, server }: MachineObservation): Finding {
  if (!hasNetworkPolicies) return { state: 'SKIPPED' };
  const policy = server?.networkPolicy ?? null;
  if (!assigned || policy === null) return NOT_STARTED;
  if (policy.error !== null) return { state: 'FAILED', error: policy.error, server: server ?? undefined };
  return policy.created ? SUCCEEDED : overdueLater('the network policy was not created');
}

function findStagingDisks({ assigned, server, report }: MachineObservation): Finding {
  if (server?.stagingLost === true)
    return { state: 'FAILED', error: server.stagingError ?? 'the volume is lost', server };
  if (report?.stagingDisks === true) return SUCCEEDED;
  if (!assigned || server === null) return NOT_STARTED;
  if (server.stagingError !== null) return { state: 'FAILED', error: server.stagingError, server };
  if (report !== null && report.stalled !== null) return { state: 'FAILED', error: report.stalled };
  // It makes them when the agent has told which disks there are: how long that takes is not for this step to judge.
  return { state: 'IN_PROGRESS', overdue: null };
}

function findLaunch({ assigned, server }: MachineObservation): Finding {
  if (!assigned || server === null) return NOT_STARTED;
  if (server.running && (server.ready || server.authenticated)) return SUCCEEDED;
  if (server.failure === null || server.stagingError !== null) {
    return overdueLater(
      server.running
        ? 'the replication server runs and has not said that it listens'
        : 'the replication server has not started',
    );
  }
  if (AUTHENTICATION_FAILURES.has(server.failure.code)) return SUCCEEDED;
  return { state: 'FAILED', error: server.failure.message, server };
}

function findAuthentication({ assigned, server }: MachineObservation): Finding {
  if (!assigned || server === null) return NOT_STARTED;
  if (server.running && server.authenticated) return SUCCEEDED;
  if (server.failure !== null) {
    if (!AUTHENTICATION_FAILURES.has(server.failure.code)) return NOT_STARTED;
    return { state: 'FAILED', error: server.failure.message, server };
  }
  if (!server.running) return NOT_STARTED;
  return overdueLater('the replication server runs, and has not called the manager');
}

function findPairing(seen: MachineObservation): Finding {
  if (!seen.assigned || seen.server === null) return NOT_STARTED;
  if (seen.assignmentTaken && seen.agentKnowsServer) return SUCCEEDED;
  const overdue = seen.assignmentTaken
    ? 'the agent has not asked for its replication server: start lms-agent run on the machine'
    : 'the replication server has not taken over the machine';
  return overdueLater(overdue);
}

function findConnection({ report, agentTrouble }: MachineObservation, paired: Finding): Finding {
  if (report?.connected === true || report?.dataTransfer === true) return SUCCEEDED;
  if (paired.state !== 'SUCCEEDED') return NOT_STARTED;
  if (agentTrouble !== null) return { state: 'FAILED', error: agentTrouble };
  return overdueLater(
    'the agent has not connected to its replication server: open its TCP port (1500) for the machine',
  );
}

function findTransfer({ report, agentTrouble }: MachineObservation, connected: Finding): Finding {
  if (report?.dataTransfer === true) return SUCCEEDED;
  if (connected.state !== 'SUCCEEDED') return NOT_STARTED;
  const trouble = report?.stalled ?? agentTrouble;
  if (trouble !== null) return { state: 'FAILED', error: trouble };
  return overdueLater('the agent is connected and has sent nothing: see its log', 'dataMilliseconds');
}

function overdueLater(overdue: string, patience: keyof Patience = 'stepMilliseconds'): Finding {
  return { state: 'IN_PROGRESS', overdue, patience };
}

function advance(
  before: StepRecord | undefined,
  step: StepName,
  finding: Finding,
  now: Date,
  patience: Patience,
): StepRecord {
  const tried = finding.state === 'IN_PROGRESS' || finding.state === 'FAILED';
  const since = tried ? (before?.since ?? now.toISOString()) : null;
  const { state, error } = judge(finding, since, now, patience);
  const server = finding.state === 'FAILED' ? finding.server : undefined;
  const nextAttemptAt = server?.nextAttemptAt?.toISOString() ?? null;
  const attempt = server?.attempt ?? (tried ? Math.max(1, before?.attempt ?? 0) : (before?.attempt ?? 0));
  if (
    before?.state === state &&
    before.error === error &&
    before.attempt === attempt &&
    before.nextAttemptAt === nextAttemptAt
  ) {
    return before;
  }
  const changed = before?.state !== state || before.error !== error;
  const changedAt = changed ? now.toISOString() : before.changedAt;
  return { step, state, error, attempt, nextAttemptAt, since, changedAt };
}

function judge(
  finding: Finding,
  since: string | null,
  now: Date,
  patience: Patience,
): Pick<StepRecord, 'state' | 'error'> {
  if (finding.state === 'FAILED') return { state: 'FAILED', error: finding.error };
  if (finding.state !== 'IN_PROGRESS' || finding.overdue === null || since === null) {
    return { state: finding.state, error: '' };
  }
  const overdue = now.getTime() - Date.parse(since) > patience[finding.patience];
  return overdue ? { state: 'FAILED', error: finding.overdue } : { state: 'IN_PROGRESS', error: '' };
}
