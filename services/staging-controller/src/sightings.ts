/**
 * What was seen of replication servers and agents, in memory: it is true only as long as it is fresh, so nothing of it
 * is kept over a restart; what follows from it (steps that succeeded) is.
 */
import {
  ReplicationState,
  ReportAgentStatisticsRequest,
  ReportReplicationServerStatisticsRequest,
  type AgentSample,
  type ReplicationServerSample,
} from '@lms/proto';
import type { StoredMessage } from '@lms/events';
import type { MachineObservation } from './observation.ts';

/** A replication server says every 30 s that it listens. */
const READY_FRESH_MILLISECONDS = 75_000;
/** An agent reports every few seconds; what it said before says nothing about now. */
const AGENT_FRESH_MILLISECONDS = 30_000;

const TROUBLE: ReadonlySet<ReplicationState> = new Set([
  ReplicationState.INITIATING,
  ReplicationState.STALLED,
  ReplicationState.DISCONNECTED,
]);

interface Seen<Sample> {
  readonly sample: Sample;
  readonly at: Date;
}

export class Sightings {
  readonly #agents = new Map<string, Seen<AgentSample>>();
  readonly #reports = new Map<string, Seen<ReplicationServerSample> & { readonly server: string }>();
  readonly #calls = new Map<string, Date>();
  readonly #ready = new Map<string, Date>();
  readonly #taken = new Map<string, ReadonlySet<string>>();
  readonly #told = new Set<string>();

  /** A message of the statistics stream. */
  apply(message: StoredMessage): void {
    const at = message.storedAt;
    if (message.subject.startsWith('lms.v1.stats.agent.')) {
      const { machineId, batch } = ReportAgentStatisticsRequest.decode(message.payload);
      const sample = batch.at(-1);
      if (sample !== undefined) this.#agents.set(machineId, { sample, at });
      return;
    }
    const { replicationServer: server, batch } = ReportReplicationServerStatisticsRequest.decode(message.payload);
    for (const sample of batch) this.#reports.set(sample.machineId, { server, sample, at });
  }

  /** It called with its own credential, which the gateway has checked. */
  serverCalled(name: string, at: Date): void {
    this.#calls.set(name, at);
  }

  serverReady(name: string, at: Date): void {
    this.#ready.set(name, at);
    this.#calls.set(name, at);
  }

  /** It has shown that these are the machines that it knows of. */
  assignmentTaken(name: string, machineIds: Iterable<string>): void {
    this.#taken.set(name, new Set(machineIds));
  }

  agentTold(machineId: string): void {
    this.#told.add(machineId);
  }

  calledSince(name: string, since: Date | null): boolean {
    return isSince(this.#calls.get(name), since);
  }

  readySince(name: string, since: Date | null): boolean {
    return isSince(this.#ready.get(name), since);
  }

  isReady(name: string, now: Date): boolean {
    const at = this.#ready.get(name);
    return at !== undefined && now.getTime() - at.getTime() <= READY_FRESH_MILLISECONDS;
  }

  /** Machine id → the replication server that reported about it last. */
  servedBy(): ReadonlyMap<string, string> {
    return new Map([...this.#reports].map(([machineId, { server }]) => [machineId, server]));
  }

  ofMachine(
    machineId: string,
    server: string | null,
    now: Date,
  ): Pick<MachineObservation, 'assignmentTaken' | 'agentKnowsServer' | 'report' | 'agentTrouble'> {
    const report = this.#reports.get(machineId);
    const relevant = report !== undefined && report.server === server ? report.sample : null;
    return {
      assignmentTaken: relevant !== null || (server !== null && this.#taken.get(server)?.has(machineId) === true),
      agentKnowsServer: this.#told.has(machineId),
      report: relevant && {
        stagingDisks: relevant.steps?.stagingDisks ?? false,
        connected: relevant.steps?.connected ?? false,
        dataTransfer: relevant.steps?.dataTransfer ?? false,
        stalled: relevant.stallCause === 0 ? null : relevant.stallDetail || 'the staging disk has no room',
      },
      agentTrouble: this.#agentTrouble(machineId, now),
    };
  }

  #agentTrouble(machineId: string, now: Date): string | null {
    const seen = this.#agents.get(machineId);
    if (seen === undefined || now.getTime() - seen.at.getTime() > AGENT_FRESH_MILLISECONDS) return null;
    if (!TROUBLE.has(seen.sample.state)) return null;
    return seen.sample.stallDetail || seen.sample.detail || null;
  }
}

function isSince(at: Date | undefined, since: Date | null): boolean {
  return at !== undefined && since !== null && at >= since;
}
