/**
 * Facts that a consumer failed to handle, again and again. They wait here, with the reason, until an operator has mended
 * the cause and replays them: to that one consumer, since the others have handled the fact long ago.
 */
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { LmsError } from '@lms/errors';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';
import { headersCarrier } from './publish.ts';
import { readStream } from './stream-reader.ts';
import { DEAD_LETTER_STREAM } from './streams.ts';
import { subjectToken } from './subjects.ts';

const CONSUMER_HEADER = 'Lms-Consumer';
const SUBJECT_HEADER = 'Lms-Subject';
const REASON_HEADER = 'Lms-Reason';
const DELIVERIES_HEADER = 'Lms-Deliveries';
/** On a replayed fact: the only consumer that is to handle it. */
export const REPLAY_FOR_HEADER = 'Lms-Replay-For';

/** A header is one line, and a reason is for people. */
const REASON_LENGTH_MAX = 500;

export interface DeadLetter {
  /** Names it for `replayDeadLetter`. */
  readonly sequence: number;
  readonly consumer: string;
  readonly subject: string;
  readonly reason: string;
  readonly deliveries: number;
  readonly storedAt: Date;
  readonly payload: string;
}

export interface FailedDelivery {
  readonly consumer: string;
  readonly subject: string;
  readonly streamSequence: number;
  readonly deliveries: number;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

/** Once per fact and consumer, however often it is tried. */
export async function storeDeadLetter(
  connection: EventConnection,
  failed: FailedDelivery,
  reason: string,
): Promise<void> {
  const carried = headers();
  const original = headersCarrier(failed.headers);
  for (const name of ['traceparent', 'tracestate']) {
    const value = original.get(name);
    if (value !== undefined) carried.set(name, value);
  }
  carried.set(CONSUMER_HEADER, failed.consumer);
  carried.set(SUBJECT_HEADER, failed.subject);
  carried.set(REASON_HEADER, reason.replaceAll(/[\r\n]+/g, ' ').slice(0, REASON_LENGTH_MAX));
  carried.set(DELIVERIES_HEADER, String(failed.deliveries));
  try {
    await connection.jetstream.publish(`lms.v1.dead-letter.${subjectToken(failed.consumer)}`, failed.payload, {
      headers: carried,
      msgID: `${failed.consumer}.${failed.streamSequence}`,
    });
  } catch (thrown) {
    throw fromNats(thrown, `dead letter of ${failed.consumer}`);
  }
}

export interface DeadLetterPage {
  readonly deadLetters: readonly DeadLetter[];
  /** For `after` of the next page; null: there is none. */
  readonly next: number | null;
}

/** Oldest first. */
export async function listDeadLetters(
  connection: EventConnection,
  options: { readonly limit: number; readonly after?: number; readonly signal: AbortSignal },
): Promise<DeadLetterPage> {
  const deadLetters: DeadLetter[] = [];
  const reader = readStream(connection, DEAD_LETTER_STREAM.name, {
    subjects: ['lms.v1.dead-letter.>'],
    startSequence: (options.after ?? 0) + 1,
    signal: options.signal,
  });
  for await (const message of reader) {
    const carried = headersCarrier(message.headers);
    deadLetters.push({
      sequence: message.sequence,
      consumer: carried.get(CONSUMER_HEADER) ?? '',
      subject: carried.get(SUBJECT_HEADER) ?? '',
      reason: carried.get(REASON_HEADER) ?? '',
      deliveries: Number(carried.get(DELIVERIES_HEADER) ?? 0),
      storedAt: message.storedAt,
      payload: Buffer.from(message.payload).toString('utf8'),
    });
    if (deadLetters.length >= options.limit)
      return { deadLetters, next: message.pending > 0 ? message.sequence : null };
  }
  return { deadLetters, next: null };
}

/** Gives the fact to its consumer again, and takes the letter away. NOT_FOUND when there is none with this sequence. */
export async function replayDeadLetter(connection: EventConnection, sequence: number): Promise<void> {
  const what = `dead letter ${sequence}`;
  try {
    const stored = await connection.manager.streams.getMessage(DEAD_LETTER_STREAM.name, { seq: sequence });
    if (stored === null) throw new LmsError('NOT_FOUND', `there is no ${what}`, { action: 'List the dead letters.' });
    const original = headersCarrier(stored.header);
    const carried = headers();
    const traceparent = original.get('traceparent');
    if (traceparent !== undefined) carried.set('traceparent', traceparent);
    carried.set(REPLAY_FOR_HEADER, original.get(CONSUMER_HEADER) ?? '');
    await connection.jetstream.publish(original.get(SUBJECT_HEADER) ?? '', stored.data, {
      headers: carried,
      // Published twice when the deletion below fails: handled once.
      msgID: `replay.${sequence}`,
    });
    await connection.manager.streams.deleteMessage(DEAD_LETTER_STREAM.name, sequence);
  } catch (thrown) {
    throw fromNats(thrown, what);
  }
}
