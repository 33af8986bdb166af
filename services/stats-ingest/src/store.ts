/**
 * What stats-ingest keeps: the reports as they came (a stream with a maximal age), and what facts said about each
 * machine (state). Memory follows both; it can be made again from them at any time.
 */
import { createHash } from 'node:crypto';
import {
  jsonState,
  publish,
  StateBucket,
  STATISTICS_STREAM,
  statisticsSubject,
  StreamFollower,
  type EventConnection,
  type StoredMessage,
} from '@lms/events';
import {
  ReportAgentStatisticsRequest,
  ReportRefusedCallRequest,
  ReportReplicationServerStatisticsRequest,
} from '@lms/proto';
import { combineHealth, type Health } from '@lms/service';
import { KNOWN_FACTS, NOTHING_KNOWN, type KnownFacts } from './known-facts.ts';
import { NO_SAMPLES, withAgentSample, withServerSample, type MachineFacts, type Samples } from './machine-facts.ts';
import { NOTHING_OBSERVED, withInstance, type Observations } from './observations.ts';

export class StatisticsStore {
  readonly #connection: EventConnection;
  readonly #known: StateBucket<KnownFacts>;
  readonly #samples = new Map<string, Samples>();
  readonly #observations = new Map<string, Observations>();
  #follower: StreamFollower | null = null;

  private constructor(connection: EventConnection, known: StateBucket<KnownFacts>) {
    this.#connection = connection;
    this.#known = known;
  }

  static async open(connection: EventConnection, signal: AbortSignal): Promise<StatisticsStore> {
    const codec = jsonState(KNOWN_FACTS, 1);
    const known = await StateBucket.open(connection, { name: 'LMS_STATISTICS_FACTS', codec }, signal);
    const store = new StatisticsStore(connection, known);
    const apply = (message: StoredMessage): void => store.#apply(message);
    store.#follower = await StreamFollower.start(connection, { stream: STATISTICS_STREAM, apply }, signal);
    return store;
  }

  machine(machineId: string): MachineFacts {
    return {
      machineId,
      ...(this.#known.get(machineId)?.value ?? NOTHING_KNOWN),
      ...(this.#samples.get(machineId) ?? NO_SAMPLES),
    };
  }

  observations(machineId: string): Observations {
    return this.#observations.get(machineId) ?? NOTHING_OBSERVED;
  }

  async appendAgent(report: ReportAgentStatisticsRequest): Promise<void> {
    const payload = ReportAgentStatisticsRequest.encode(report).finish();
    await this.#append(statisticsSubject('agent', report.machineId), payload);
  }

  async appendReplicationServer(report: ReportReplicationServerStatisticsRequest): Promise<void> {
    const payload = ReportReplicationServerStatisticsRequest.encode(report).finish();
    await this.#append(statisticsSubject('replication-server', report.replicationServer), payload);
  }

  async appendRefusedCall(report: ReportRefusedCallRequest): Promise<void> {
    const payload = ReportRefusedCallRequest.encode(report).finish();
    await this.#append(statisticsSubject('refused-call', report.machineId), payload);
  }

  /** Also when other replicas change it at the same time. */
  async changeKnown(machineId: string, change: (known: KnownFacts) => KnownFacts): Promise<void> {
    await this.#known.modify(machineId, (current) => change(current ?? NOTHING_KNOWN));
  }

  /** Of a machine that was removed. Its reports stay in the stream until they are too old. */
  async forget(machineId: string): Promise<void> {
    this.#samples.delete(machineId);
    this.#observations.delete(machineId);
    const known = this.#known.get(machineId);
    if (known !== null) await this.#known.delete(machineId, known.revision);
  }

  health(): Health {
    return combineHealth([this.#known.health(), ...(this.#follower === null ? [] : [this.#follower.health()])]);
  }

  async close(): Promise<void> {
    await this.#follower?.stop();
    await this.#known.close();
  }

  /** A batch that is sent again after a lost answer is the same bytes, and is stored once. */
  async #append(subject: string, payload: Uint8Array): Promise<void> {
    const messageId = createHash('sha256').update(subject).update(payload).digest('base64url');
    await publish(this.#connection, subject, payload, { messageId });
  }

  #apply({ subject, payload, storedAt }: StoredMessage): void {
    if (subject.startsWith('lms.v1.stats.agent.')) this.#applyAgent(payload, storedAt);
    else if (subject.startsWith('lms.v1.stats.replication-server.')) this.#applyReplicationServer(payload, storedAt);
    else if (subject.startsWith('lms.v1.stats.refused-call.')) {
      const refusedCall = ReportRefusedCallRequest.decode(payload);
      this.#observe(refusedCall.machineId, { refusedCall });
    }
  }

  #applyAgent(payload: Uint8Array, storedAt: Date): void {
    const {
      machineId,
      batch,
      sourceAddress = '',
      clockAheadMilliseconds,
    } = ReportAgentStatisticsRequest.decode(payload);
    for (const sample of batch) {
      this.#samples.set(machineId, withAgentSample(this.#samplesOf(machineId), sample, storedAt));
      if (sample.situation === undefined) continue;
      const { instances } = this.observations(machineId);
      this.#observe(machineId, { instances: withInstance(instances, sample.situation, sourceAddress, storedAt) });
    }
    this.#observe(machineId, {
      origin: { sourceAddress, clockAheadMilliseconds: clockAheadMilliseconds ?? null },
    });
  }

  #applyReplicationServer(payload: Uint8Array, storedAt: Date): void {
    const { replicationServer, batch } = ReportReplicationServerStatisticsRequest.decode(payload);
    for (const sample of batch) {
      const { machineId } = sample;
      this.#samples.set(machineId, withServerSample(this.#samplesOf(machineId), sample, storedAt));
      this.#observe(machineId, { replicationServer });
    }
  }

  #observe(machineId: string, seen: Partial<Observations>): void {
    this.#observations.set(machineId, { ...this.observations(machineId), ...seen });
  }

  #samplesOf(machineId: string): Samples {
    return this.#samples.get(machineId) ?? NO_SAMPLES;
  }
}
