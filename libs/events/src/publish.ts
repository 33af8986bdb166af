/** Publishing: acknowledged by JetStream (on disk), with a message id so that trying again stores it once. */
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { LmsError } from '@lms/errors';
import { Event } from '@lms/proto';
import { injectTrace, SpanKind, tracer, withSpan, type HeaderCarrier } from '@lms/telemetry';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';
import { eventSubject } from './subjects.ts';

export const SCHEMA_VERSION_HEADER = 'Lms-Schema-Version';
export const SCHEMA_VERSION = 1;
const PUBLISH_TIMEOUT_MILLISECONDS = 5_000;
/** nats-server's own default limit is 1 MiB; batches are cut to stay below. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024 - 16 * 1024;

const spans = tracer('events');

export interface PublishSettings {
  /** `<entity>.<revision>`: the same id within the stream's window is stored once. Absent: every call stores. */
  readonly messageId?: string;
}

export interface Published {
  readonly sequence: number;
  /** It had been stored before. */
  readonly duplicate: boolean;
}

/** The kind in a fact's subject: the field's name with dashes, such as `point-committed`. */
export function eventKind(event: Event): string {
  if (event.fact === undefined) throw new LmsError('INTERNAL', 'an event without a fact cannot be published');
  return event.fact.$case.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-');
}

/** A fact, as protobuf JSON: a person who lists a dead letter can read it. */
export function publishFact(
  connection: EventConnection,
  event: Event,
  settings: Required<PublishSettings>,
): Promise<Published> {
  const kind = eventKind(event);
  return withSpan(spans, `publish event.${kind}`, { kind: SpanKind.PRODUCER }, () =>
    publish(connection, eventSubject(kind, event.machineId), JSON.stringify(Event.toJSON(event)), settings),
  );
}

/** RESOURCE_EXHAUSTED above `PAYLOAD_BYTES_MAX`. */
export async function publish(
  connection: EventConnection,
  subject: string,
  payload: Uint8Array | string,
  settings: PublishSettings = {},
): Promise<Published> {
  const what = `publish to ${subject}`;
  if (Buffer.byteLength(payload) > PAYLOAD_BYTES_MAX) {
    throw new LmsError('RESOURCE_EXHAUSTED', `${what}: more than ${PAYLOAD_BYTES_MAX} bytes`, {
      action: 'Send less at a time.',
    });
  }
  connection.requireConnected(what);
  const carried = headers();
  carried.set(SCHEMA_VERSION_HEADER, String(SCHEMA_VERSION));
  injectTrace(headersCarrier(carried));
  try {
    const acknowledged = await connection.jetstream.publish(subject, payload, {
      headers: carried,
      timeout: PUBLISH_TIMEOUT_MILLISECONDS,
      ...(settings.messageId !== undefined && { msgID: settings.messageId }),
    });
    return { sequence: acknowledged.seq, duplicate: acknowledged.duplicate };
  } catch (thrown) {
    throw fromNats(thrown, what);
  }
}

/** NATS headers as a carrier of trace context. */
export function headersCarrier(carried: MsgHdrs | undefined): HeaderCarrier {
  return {
    get: (name) => {
      const value = carried?.get(name);
      return value === undefined || value === '' ? undefined : value;
    },
    set: (name, value) => carried?.set(name, value),
  };
}
