/**
 * Logs in their stream. It is bounded in bytes and age; the oldest go first.
 *
 * A stream can only be read forwards, and the newest records are what people ask for. So a query reads from a few minutes
 * ago, and only when that was not enough from further back: most questions cost a few messages, the rare one for all
 * of a quiet machine's log costs a reading of what that machine wrote.
 */
import {
  ensureStream,
  LOG_STREAM,
  logSubject,
  PAYLOAD_BYTES_MAX,
  publish,
  readStream,
  subjectToken,
  type EventConnection,
} from '@lms/events';
import type {
  AppendLogsRequest,
  QueryLogsRequest,
  QueryLogsResponse,
  StoredLogRecord,
  TailLogsRequest,
} from '@lms/proto';
import { checkBatch, decodeBatch, encodeBatch, RECORDS_PER_BATCH_MAX, sequenceOf } from './batch.ts';

const MINUTE_MILLISECONDS = 60_000;
/** How far back each attempt of a query looks; the last: everything. */
const REACHES_MILLISECONDS = [
  5 * MINUTE_MILLISECONDS,
  60 * MINUTE_MILLISECONDS,
  1440 * MINUTE_MILLISECONDS,
  null,
] as const;
const DEFAULT_LIMIT = 100;
const LIMIT_MAX = 1000;

export class LogStore {
  readonly #connection: EventConnection;

  private constructor(connection: EventConnection) {
    this.#connection = connection;
  }

  static async open(connection: EventConnection): Promise<LogStore> {
    await ensureStream(connection, LOG_STREAM);
    return new LogStore(connection);
  }

  /** Durable when it resolves. */
  async append(request: AppendLogsRequest): Promise<void> {
    checkBatch(request);
    if (request.batch.length === 0) return;
    const subject = logSubject(request.source, request.id);
    for (const payload of encodeBatch(request, PAYLOAD_BYTES_MAX)) await publish(this.#connection, subject, payload);
  }

  async query(request: QueryLogsRequest, signal: AbortSignal): Promise<QueryLogsResponse> {
    const limit = Math.min(request.limit === 0 ? DEFAULT_LIMIT : request.limit, LIMIT_MAX);
    // A page before a position cannot know how old that position is: it reads from the beginning.
    const reaches = request.beforePosition > 0n ? [null] : REACHES_MILLISECONDS;
    let records: StoredLogRecord[] = [];
    for (const reach of reaches) {
      records = await this.#newest(request, limit + 1, reach, signal);
      if (records.length > limit) break;
    }
    const more = records.length > limit;
    const page = more ? records.slice(-limit) : records;
    return { records: page, nextBeforePosition: more ? (page[0]?.position ?? 0n) : 0n };
  }

  /** The newest `backlog`, then each batch as it comes, until the signal aborts. */
  async *tail(request: TailLogsRequest, signal: AbortSignal): AsyncGenerator<StoredLogRecord[]> {
    const query = { source: request.source, id: request.id, limit: request.backlog, beforePosition: 0n };
    const { state } = await this.#connection.manager.streams.info(LOG_STREAM.name);
    const { records } = request.backlog === 0 ? { records: [] } : await this.query(query, signal);
    if (records.length > 0) yield records;
    const last = records.at(-1);
    const startSequence = last === undefined ? state.last_seq + 1 : sequenceOf(last.position) + 1;
    const follow = { subjects: [subjectsOf(request)], startSequence, follow: true, signal };
    for await (const message of readStream(this.#connection, LOG_STREAM.name, follow)) {
      yield decodeBatch(message.sequence, message.payload);
    }
  }

  async #newest(
    request: QueryLogsRequest,
    count: number,
    reachMilliseconds: number | null,
    signal: AbortSignal,
  ): Promise<StoredLogRecord[]> {
    const start = reachMilliseconds === null ? {} : { startAt: new Date(Date.now() - reachMilliseconds) };
    const newest: StoredLogRecord[] = [];
    const settings = { subjects: [subjectsOf(request)], ...start, signal };
    for await (const { sequence, payload } of readStream(this.#connection, LOG_STREAM.name, settings)) {
      const stored = decodeBatch(sequence, payload);
      const before = request.beforePosition;
      newest.push(...(before === 0n ? stored : stored.filter(({ position }) => position < before)));
      if (newest.length > count + RECORDS_PER_BATCH_MAX) newest.splice(0, newest.length - count);
      if (before > 0n && sequence >= sequenceOf(before)) break;
    }
    return newest.slice(-count);
  }
}

function subjectsOf({ source, id }: { readonly source: string; readonly id: string }): string {
  return `lms.v1.log.${source === '' ? '*' : subjectToken(source)}.${id === '' ? '*' : subjectToken(id)}`;
}
