/** All that is known about one machine, and how each report changes it. Pure. */
import { ReplicationState, type AgentDiskSample, type AgentSample, type ReplicationServerSample } from '@lms/proto';
import type { KnownFacts } from './known-facts.ts';

/** A report, and when the manager stored it: the clocks of agents are theirs. */
export interface Received<Sample> {
  readonly sample: Sample;
  readonly receivedAt: Date;
}

/** What agent and replication server measured last; kept in memory, read again from the stream after a restart. */
export interface Samples {
  readonly agent: Received<AgentSample> | null;
  readonly server: Received<ReplicationServerSample> | null;
  /** The smallest backlog since the state became BACKLOG, and since when it has been no smaller; null in other states. */
  readonly backlogSince: { readonly at: Date; readonly bytes: bigint } | null;
  readonly continuousSince: Date | null;
}

export interface MachineFacts extends Samples, KnownFacts {
  readonly machineId: string;
}

export const NO_SAMPLES: Samples = { agent: null, server: null, backlogSince: null, continuousSince: null };

/** A sample older than the one that is known changes nothing: batches may arrive in any order. */
export function withAgentSample(samples: Samples, sample: AgentSample, receivedAt: Date): Samples {
  if (isOlder(sample.at, instantOf(samples.agent))) return samples;
  const continuous = sample.state === ReplicationState.CONTINUOUS;
  return {
    ...samples,
    agent: { sample, receivedAt },
    backlogSince: nextBacklogSince(samples, sample, receivedAt),
    continuousSince: continuous ? (samples.continuousSince ?? receivedAt) : null,
  };
}

export function withServerSample(samples: Samples, sample: ReplicationServerSample, receivedAt: Date): Samples {
  return isOlder(sample.at, instantOf(samples.server)) ? samples : { ...samples, server: { sample, receivedAt } };
}

export function backlogBytes(disks: readonly AgentDiskSample[]): bigint {
  return disks.reduce((sum, disk) => sum + disk.backlogBytes, 0n);
}

function nextBacklogSince(samples: Samples, sample: AgentSample, at: Date): Samples['backlogSince'] {
  if (sample.state !== ReplicationState.BACKLOG) return null;
  const bytes = backlogBytes(sample.disks);
  return samples.backlogSince === null || bytes < samples.backlogSince.bytes ? { at, bytes } : samples.backlogSince;
}

/** What a clock that was ahead has dated must not hide all that comes after it was set right. */
function instantOf(received: Received<{ readonly at: Date | undefined }> | null): Date | undefined {
  const at = received?.sample.at;
  return received !== null && at !== undefined && at > received.receivedAt ? received.receivedAt : at;
}

function isOlder(at: Date | undefined, than: Date | undefined): boolean {
  return at !== undefined && than !== undefined && at < than;
}
