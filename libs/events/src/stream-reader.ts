/**
 * Reading what a stream holds, from a place in it up to what was stored last when the reading began; or on and on.
 * Uses an ordered consumer: no acknowledgements, nothing is left behind at the server, gaps are noticed and read again.
 */
import type { MsgHdrs } from '@nats-io/transport-node';
import { DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';

/** Messages held in memory ahead of the reader; statistics and log batches are a few KiB each. */
const PREFETCH_MESSAGES = 100;

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly storedAt: Date;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** How many that match come after it, as far as the server knows now. */
  readonly pending: number;
}

export interface ReadSettings {
  readonly subjects: readonly string[];
  /** Default: the first that is stored. */
  readonly startSequence?: number;
  readonly startAt?: Date;
  /** Only the newest of each subject, and what comes later. */
  readonly lastPerSubject?: boolean;
  /** Default false: ends with the last message that was there at the beginning. */
  readonly follow?: boolean;
  readonly signal: AbortSignal;
}

export async function* readStream(
  connection: EventConnection,
  stream: string,
  settings: ReadSettings,
): AsyncGenerator<StoredMessage> {
  const what = `reading of stream ${stream}`;
  const { signal } = settings;
  signal.throwIfAborted();
  try {
    const consumer = await connection.jetstream.consumers.get(stream, {
      filter_subjects: [...settings.subjects],
      ...startOf(settings),
    });
    if (settings.follow !== true && (await consumer.info()).num_pending === 0) return;
    const messages = await consumer.consume({ max_messages: PREFETCH_MESSAGES });
    const stop = (): void => messages.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const message of messages) {
        const stored = storedMessage(message);
        yield stored;
        if (settings.follow !== true && stored.pending === 0) return;
      }
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener('abort', stop);
      messages.stop();
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw fromNats(thrown, what);
  }
}

function startOf(settings: ReadSettings) {
  if (settings.startSequence !== undefined) {
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, settings.startSequence) };
  }
  if (settings.startAt !== undefined) {
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: settings.startAt.toISOString() };
  }
  return { deliver_policy: settings.lastPerSubject === true ? DeliverPolicy.LastPerSubject : DeliverPolicy.All };
}

function storedMessage(message: JsMsg): StoredMessage {
  return {
    subject: message.subject,
    sequence: message.seq,
    storedAt: message.time,
    payload: message.data,
    headers: message.headers,
    pending: message.info.pending,
  };
}
