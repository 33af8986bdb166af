/**
 * The streams of the manager. Every one is bounded in bytes and in age: old facts, statistics and logs go first, and
 * none of them is the truth (that lies beside the disks).
 */
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { toLmsError } from '@lms/errors';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';
import { untilAnswered } from './until-answered.ts';

const DAY_MILLISECONDS = 24 * 60 * 60 * 1000;
const MEBIBYTE = 1024 * 1024;

export interface StreamDescription {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly maxAgeMilliseconds: number;
  readonly maxBytes: number;
  readonly description: string;
  /** How long a message id is remembered, so that a repeated publish is stored once. */
  readonly duplicateWindowMilliseconds: number;
}

/** Long enough for a publisher that was away for an hour and tries again. */
const DUPLICATE_WINDOW_MILLISECONDS = 2 * 60 * 60 * 1000;
const SHORT_DUPLICATE_WINDOW_MILLISECONDS = 2 * 60 * 1000;

export const EVENT_STREAM: StreamDescription = {
  name: 'LMS_EVENTS',
  subjects: ['lms.v1.event.>'],
  maxAgeMilliseconds: 30 * DAY_MILLISECONDS,
  maxBytes: 256 * MEBIBYTE,
  description: 'Facts: what happened, once each.',
  duplicateWindowMilliseconds: DUPLICATE_WINDOW_MILLISECONDS,
};

export const STATISTICS_STREAM: StreamDescription = {
  name: 'LMS_STATISTICS',
  subjects: ['lms.v1.stats.>'],
  maxAgeMilliseconds: DAY_MILLISECONDS,
  maxBytes: 1024 * MEBIBYTE,
  description: 'Statistics as agents and replication servers reported them, one message per batch.',
  duplicateWindowMilliseconds: SHORT_DUPLICATE_WINDOW_MILLISECONDS,
};

export const LOG_STREAM: StreamDescription = {
  name: 'LMS_LOGS',
  subjects: ['lms.v1.log.>'],
  maxAgeMilliseconds: 14 * DAY_MILLISECONDS,
  maxBytes: 512 * MEBIBYTE,
  description: 'Logs as agents and replication servers reported them, one message per batch.',
  duplicateWindowMilliseconds: SHORT_DUPLICATE_WINDOW_MILLISECONDS,
};

export const DEAD_LETTER_STREAM: StreamDescription = {
  name: 'LMS_DEAD_LETTERS',
  subjects: ['lms.v1.dead-letter.>'],
  maxAgeMilliseconds: 90 * DAY_MILLISECONDS,
  maxBytes: 64 * MEBIBYTE,
  description: 'Facts that a consumer could not handle, until an operator replays them.',
  duplicateWindowMilliseconds: DUPLICATE_WINDOW_MILLISECONDS,
};

/** Idempotent: makes the stream, or gives an existing one these limits. Again after each reconnect, should it be lost. */
export async function ensureStream(connection: EventConnection, stream: StreamDescription): Promise<void> {
  const ensure = (): Promise<void> =>
    untilAnswered(connection, `stream ${stream.name}`, () => createOrUpdate(connection, stream));
  await ensure();
  let busy = false;
  connection.onReconnect(() => {
    if (busy) return;
    busy = true;
    ensure()
      .catch((thrown: unknown) => {
        if (connection.givenUp.aborted) return;
        const { code, message } = toLmsError(thrown);
        connection.logger.warn({ code }, `after a reconnect: ${message}`);
      })
      .finally(() => {
        busy = false;
      });
  });
}

async function createOrUpdate(connection: EventConnection, stream: StreamDescription): Promise<void> {
  const limits = {
    subjects: [...stream.subjects],
    description: stream.description,
    max_age: nanos(stream.maxAgeMilliseconds),
    max_bytes: stream.maxBytes,
    duplicate_window: nanos(stream.duplicateWindowMilliseconds),
    discard: DiscardPolicy.Old,
    num_replicas: connection.replicas,
    allow_direct: true,
  };
  try {
    const existing = await connection.manager.streams.names(stream.subjects[0]).next();
    if (existing.includes(stream.name)) await connection.manager.streams.update(stream.name, limits);
    else {
      await connection.manager.streams.add({
        name: stream.name,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        ...limits,
      });
    }
  } catch (thrown) {
    throw fromNats(thrown, `stream ${stream.name}`);
  }
}
