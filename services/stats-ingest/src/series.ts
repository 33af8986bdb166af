/** A machine's samples over time, with the lag that it had at each instant: what charts show. Read from the streams. */
import {
  EVENT_STREAM,
  eventSubject,
  readStream,
  STATISTICS_STREAM,
  statisticsSubject,
  type EventConnection,
} from '@lms/events';
import { Event, ReportAgentStatisticsRequest, type AgentSample, type SeriesSample } from '@lms/proto';
import { backlogBytes } from './machine-facts.ts';

const DEFAULT_LIMIT = 1_000;
const LIMIT_MAX = 10_000;
/** A point that was committed so long before the first sample is not looked for: the lag is then unknown, not wrong. */
const POINTS_BEFORE_MILLISECONDS = 60 * 60 * 1000;

export interface SeriesQuery {
  readonly machineId: string;
  readonly since: Date | null;
  /** 0: 1,000. */
  readonly limit: number;
}

/** Oldest first; the newest `limit` when there are more. */
export async function readSeries(
  connection: EventConnection,
  query: SeriesQuery,
  signal: AbortSignal,
): Promise<SeriesSample[]> {
  const limit = Math.min(query.limit === 0 ? DEFAULT_LIMIT : query.limit, LIMIT_MAX);
  const samples: AgentSample[] = [];
  const messages = readStream(connection, STATISTICS_STREAM.name, {
    subjects: [statisticsSubject('agent', query.machineId)],
    ...(query.since !== null && { startAt: query.since }),
    signal,
  });
  for await (const { payload } of messages) {
    samples.push(...ReportAgentStatisticsRequest.decode(payload).batch);
    // Twice the limit at most is held, and not moved at every message.
    if (samples.length > 2 * limit) samples.splice(0, samples.length - limit);
  }
  const newest = samples.slice(-limit);
  return seriesOf(newest, await readCommits(connection, query.machineId, newest[0]?.at ?? new Date(), signal));
}

/** A point's instant, and when it was committed. */
export interface Commit {
  readonly instantMilliseconds: number;
  readonly committedMilliseconds: number;
}

/** Both oldest first. The lag before the first commit is unknown. */
export function seriesOf(samples: readonly AgentSample[], commits: readonly Commit[]): SeriesSample[] {
  let next = 0;
  let last: Commit | undefined;
  return samples.map((sample) => {
    const at = sample.at?.getTime() ?? 0;
    for (
      let commit = commits[next];
      commit !== undefined && commit.committedMilliseconds <= at;
      commit = commits[next]
    ) {
      last = commit;
      next += 1;
    }
    return seriesSample(sample, last === undefined ? undefined : Math.max(0, at - last.instantMilliseconds) / 1000);
  });
}

async function readCommits(
  connection: EventConnection,
  machineId: string,
  firstSampleAt: Date,
  signal: AbortSignal,
): Promise<Commit[]> {
  const commits: Commit[] = [];
  const messages = readStream(connection, EVENT_STREAM.name, {
    subjects: [eventSubject('point-committed', machineId)],
    startAt: new Date(firstSampleAt.getTime() - POINTS_BEFORE_MILLISECONDS),
    signal,
  });
  for await (const { payload, storedAt } of messages) {
    const event = Event.fromJSON(JSON.parse(Buffer.from(payload).toString('utf8')));
    const point = event.fact?.$case === 'pointCommitted' ? event.fact.value.point : undefined;
    if (point === undefined) continue;
    const committedMilliseconds = (event.occurredAt ?? storedAt).getTime();
    commits.push({ instantMilliseconds: Date.parse(point.createdAt), committedMilliseconds });
  }
  return commits;
}

function seriesSample(sample: AgentSample, lagSeconds: number | undefined): SeriesSample {
  return {
    at: sample.at,
    state: sample.state,
    lagSeconds,
    backlogBytes: backlogBytes(sample.disks),
    replicatedBytes: sample.disks.reduce((sum, disk) => sum + disk.replicatedBytes, 0n),
    bytesReadSource: sample.bytesReadSource,
    bytesSentWire: sample.bytesSentWire,
    bytesRaw: sample.bytesRaw,
    lastPauseMicroseconds: sample.lastPauseMicroseconds,
    residentBytes: sample.residentBytes,
    cpuSeconds: sample.cpuSeconds,
    trackerLosses: sample.trackerLosses,
    bandwidthLimitBitsPerSecond: sample.bandwidthLimitBitsPerSecond,
    bytesWritten: sample.bytesWritten,
    bytesDirtied: sample.bytesDirtied,
  };
}
