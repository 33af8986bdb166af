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
import { ServedMachines } from './served-machines.ts';

/** A replication server says every 30 s that it listens. */
const READY_FRESH_MILLISECONDS = 75_000;
/** An agent reports every few seconds; what it said before says nothing about now. */
const AGENT_FRESH_MILLISECONDS = 30_000;

const TROUBLE: ReadonlySet<ReplicationState> = new Set([
  ReplicationState.INITIATING,
  ReplicationState.STALLED,
  ReplicationState.DISCONNECTED,
]);

/** What one replica of staging-controller was told, and the others were not. Instants as milliseconds since 1970. */
export type Sighting =
  | { readonly kind: 'called' | 'ready'; readonly server: string; readonly at: number }
  | { readonly kind: 'taken'; readonly server: string; readonly machineIds: readonly string[] }
  | { readonly kind: 'told'; readonly machineId: string };

interface Seen<Sample> {
  readonly sample: Sample;
  readonly at: Date;
}

export class Sightings {
  readonly #agents = new Map<string, Seen<AgentSample>>();
  readonly #reports = new Map<string, Seen<ReplicationServerSample> & { readonly server: string }>();
  readonly #served = new ServedMachines();
  readonly #calls = new Map<string, Date>();
  readonly #ready = new Map<string, Date>();
  readonly #taken = new Map<string, ReadonlySet<string>>();
  readonly #told = new Set<string>();
  readonly #clocks = new Map<string, bigint>();
  readonly #tell: (sighting: Sighting) => void;

  /** `tell`: to the other replicas, where there are any. */
  constructor(tell: (sighting: Sighting) => void = () => undefined) {
    this.#tell = tell;
  }

  /** A message of the statistics stream. Returns the machines that it is about. */
  apply(message: StoredMessage): readonly string[] {
    const at = message.storedAt;
    if (message.subject.startsWith('lms.v1.stats.agent.')) {
      const { machineId, batch } = ReportAgentStatisticsRequest.decode(message.payload);
      const sample = batch.at(-1);
      if (sample !== undefined) this.#agents.set(machineId, { sample, at });
      return [machineId];
    }
    if (!message.subject.startsWith('lms.v1.stats.replication-server.')) return [];
    const { replicationServer: server, batch } = ReportReplicationServerStatisticsRequest.decode(message.payload);
    for (const sample of batch) {
      this.#reports.set(sample.machineId, { server, sample, at });
      this.#served.set(sample.machineId, server);
    }
    return batch.map(({ machineId }) => machineId);
  }

  /** What another replica was told. */
  learn(sighting: Sighting): void {
    switch (sighting.kind) {
      case 'called':
        this.#calls.set(sighting.server, new Date(sighting.at));
        break;
      case 'ready':
        this.#ready.set(sighting.server, new Date(sighting.at));
        this.#calls.set(sighting.server, new Date(sighting.at));
        break;
      case 'taken':
        this.#taken.set(sighting.server, new Set(sighting.machineIds));
        break;
      case 'told':
        this.#told.add(sighting.machineId);
    }
  }

  /** It called with its own credential, which the gateway has checked. */
  serverCalled(server: string, at: Date): void {
    this.#see({ kind: 'called', server, at: at.getTime() });
  }

  serverReady(server: string, at: Date): void {
    this.#see({ kind: 'ready', server, at: at.getTime() });
  }

  /** It has shown that these are the machines that it knows of. */
  assignmentTaken(server: string, machineIds: readonly string[]): void {
    this.#see({ kind: 'taken', server, machineIds });
  }

  agentTold(machineId: string): void {
    if (!this.#told.has(machineId)) this.#see({ kind: 'told', machineId });
  }

  /** Its clock minus ours, in milliseconds; of its last report to this replica. */
  clockSeen(server: string, aheadMilliseconds: bigint): void {
    this.#clocks.set(server, aheadMilliseconds);
  }

  clockAhead(server: string): bigint | null {
    return this.#clocks.get(server) ?? null;
  }

  /** Null: not since this process looks. */
  calledAt(server: string): Date | null {
    return this.#calls.get(server) ?? null;
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
    return this.#served.servers;
  }

  /** Those that it reported about last, and nobody else since. */
  servedMachines(server: string): Iterable<string> {
    return this.#served.of(server);
  }

  /** The machines that the replication server has shown that it knows of, at last; null: not since this process looks. */
  takenBy(server: string): ReadonlySet<string> | null {
    return this.#taken.get(server) ?? null;
  }

  /** Of a machine that was removed. */
  forget(machineId: string): void {
    this.#agents.delete(machineId);
    this.#reports.delete(machineId);
    this.#told.delete(machineId);
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

  #see(sighting: Sighting): void {
    this.learn(sighting);
    this.#tell(sighting);
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
