/** From the services' messages to what is known of an agent. */
import {
  ReplicationState,
  StallCause,
  wordOf,
  type AgentSituation,
  type GetMachineObservationsResponse,
  type Machine,
  type StoredLogRecord,
} from '@lms/proto';
import { optionalText } from '../translation/values.ts';
import type { AgentFacts, AgentFailure, DiagnosisFacts, InstanceFacts } from './facts.ts';

const WARNINGS: ReadonlySet<string> = new Set(['warn', 'error', 'fatal']);

type Observations = GetMachineObservationsResponse | null;

export function agentFactsOf(
  machine: Machine,
  observations: Observations,
  records: readonly StoredLogRecord[],
): AgentFacts {
  const sample = observations?.agent;
  const situation = sample?.situation;
  const reportedAt = observations?.agentReceivedAt ?? null;
  const { managerFailure = '', managerFailureAt } = situation ?? {};
  return {
    heardAt: later(machine.lastSeenAt ?? null, reportedAt),
    reportedAt,
    hostName: optionalText(situation?.hostName ?? ''),
    sourceAddress: optionalText(observations?.agentSourceAddress ?? ''),
    clockAheadSeconds: secondsOf(observations?.agentClockAheadMilliseconds),
    certificateExpiresAt: situation?.certificateExpiresAt ?? null,
    state: wordOf(ReplicationState, sample?.state ?? 0),
    stallCause: wordOf(StallCause, sample?.stallCause ?? 0),
    detail: optionalText(sample?.stallDetail ?? '') ?? optionalText(sample?.detail ?? ''),
    connected: situation?.connected ?? null,
    failure: failureOf(situation),
    managerFailure: managerFailure === '' ? null : { message: managerFailure, at: managerFailureAt ?? null },
    lastWarning: lastWarningOf(records),
  };
}

export function refusedCallOf(observations: Observations): DiagnosisFacts['refusedCall'] {
  const call = observations?.refusedCall;
  if (call?.at === undefined) return null;
  return {
    reason: call.reason,
    message: call.message,
    at: call.at,
    clockAheadSeconds: secondsOf(call.clockAheadMilliseconds),
    sourceAddress: optionalText(observations?.refusedCallSourceAddress ?? ''),
  };
}

export function instancesOf(observations: Observations): readonly InstanceFacts[] {
  return (observations?.instances ?? []).flatMap(({ instanceId, hostName, sourceAddress, lastAt, returnedAt }) =>
    lastAt === undefined ? [] : [{ instanceId, hostName, sourceAddress, lastAt, returnedAt: returnedAt ?? null }],
  );
}

export function secondsOf(milliseconds: bigint | undefined): number | null {
  return milliseconds === undefined ? null : Number(milliseconds) / 1_000;
}

export function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

function failureOf(situation: AgentSituation | undefined): AgentFailure | null {
  const failure = situation?.failure;
  if (failure?.at === undefined) return null;
  const { reason, message, address, at, since = at, count, resolved } = failure;
  return { reason, message, address: optionalText(address), at, since, count, resolved };
}

function lastWarningOf(records: readonly StoredLogRecord[]): AgentFacts['lastWarning'] {
  const record = records.findLast((stored) => WARNINGS.has(stored.record?.level ?? ''))?.record;
  return record?.at === undefined ? null : { message: record.message, at: record.at };
}
