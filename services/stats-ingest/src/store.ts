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
import { ReportAgentStatisticsRequest, ReportReplicationServerStatisticsRequest } from '@lms/proto';
import { combineHealth, type Health } from '@lms/service';
import { KNOWN_FACTS, NOTHING_KNOWN, type KnownFacts } from './known-facts.ts';
import { NO_SAMPLES, withAgentSample, withServerSample, type MachineFacts, type Samples } from './machine-facts.ts';

export class StatisticsStore {
  readonly #connection: EventConnection;
  readonly #known: StateBucket<KnownFacts>;
  readonly #samples = new Map<string, Samples>();
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

  async appendAgent(report: ReportAgentStatisticsRequest): Promise<void> {
    const payload = ReportAgentStatisticsRequest.encode(report).finish();
    await this.#append(statisticsSubject('agent', report.machineId), payload);
  }

  async appendReplicationServer(report: ReportReplicationServerStatisticsRequest): Promise<void> {
    const payload = ReportReplicationServerStatisticsRequest.encode(report).finish();
    await this.#append(statisticsSubject('replication-server', report.replicationServer), payload);
  }

  /** Also when other replicas change it at the same time. */
  async changeKnown(machineId: string, change: (known: KnownFacts) => KnownFacts): Promise<void> {
    await this.#known.modify(machineId, (current) => change(current ?? NOTHING_KNOWN));
  }

  /** Of a machine that was removed. Its reports stay in the stream until they are too old. */
  async forget(machineId: string): Promise<void> {
    this.#samples.delete(machineId);
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

  #apply(message: StoredMessage): void {
    if (message.subject.startsWith('lms.v1.stats.agent.')) {
      const { machineId, batch } = ReportAgentStatisticsRequest.decode(message.payload);
      for (const sample of batch) {
        this.#samples.set(machineId, withAgentSample(this.#samplesOf(machineId), sample, message.storedAt));
      }
    } else {
      for (const sample of ReportReplicationServerStatisticsRequest.decode(message.payload).batch) {
        const { machineId } = sample;
        this.#samples.set(machineId, withServerSample(this.#samplesOf(machineId), sample, message.storedAt));
      }
    }
  }

  #samplesOf(machineId: string): Samples {
    return this.#samples.get(machineId) ?? NO_SAMPLES;
  }
}
