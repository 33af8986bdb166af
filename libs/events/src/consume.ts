/**
 * A durable consumer of facts: every fact of its kinds is handled at least once, also those that came while the service
 * was away; in the order of the stream, except that one which is tried again comes after those that did not wait for it.
 *
 * A handler that fails is tried again later, `DELIVERIES_MAX` times; then the fact goes to the dead letters. We count the
 * deliveries ourselves instead of giving the server a maximum: a fact that kills the process each time is never
 * reported back, and would otherwise be dropped without a trace.
 */
import { AckPolicy, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { toLmsError } from '@lms/errors';
import { Event } from '@lms/proto';
import { BackOff, HEALTHY, pause, unhealthy, type Health } from '@lms/service';
import { extractTrace, SpanKind, tracer, withSpan } from '@lms/telemetry';
import type { EventConnection } from './connection.ts';
import { isOtherwiseThere } from './failure.ts';
import { REPLAY_FOR_HEADER, storeDeadLetter } from './dead-letters.ts';
import { headersCarrier } from './publish.ts';
import { DEAD_LETTER_STREAM, ensureStream, EVENT_STREAM } from './streams.ts';
import { untilAnswered } from './until-answered.ts';
import { subjectToken } from './subjects.ts';

const DELIVERIES_MAX = 5;
/** Not acknowledged for so long: the handler's process is gone. */
const ACKNOWLEDGE_WAIT_MILLISECONDS = 30_000;
const PREFETCH_MESSAGES = 50;
const RETRY_DELAY_LONGEST_MILLISECONDS = 10_000;
const RESTART_LIMITS = { firstMilliseconds: 200, longestMilliseconds: 5_000 };

export interface FactConsumerOptions {
  /** Durable name; all replicas of a service share it. */
  readonly name: string;
  /** Such as `point-committed`. */
  readonly kinds: readonly string[];
  /** Must be safe to repeat. The signal is aborted when the consumer stops. */
  readonly handle: (event: Event, signal: AbortSignal) => Promise<void>;
  /** Default 500 ms: before the second attempt; doubles then. */
  readonly retryDelayMilliseconds?: number;
}

export class FactConsumer {
  readonly #connection: EventConnection;
  readonly #options: FactConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #spans;
  #running: Promise<void> = Promise.resolve();
  #failure: string | null = null;

  private constructor(connection: EventConnection, options: FactConsumerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#spans = tracer(options.name);
  }

  /** The consumer exists at the server when this resolves: no later fact is missed. */
  static async start(connection: EventConnection, options: FactConsumerOptions): Promise<FactConsumer> {
    await ensureStream(connection, EVENT_STREAM);
    await ensureStream(connection, DEAD_LETTER_STREAM);
    const consumer = new FactConsumer(connection, options);
    await untilAnswered(connection, `consumer ${options.name}`, () => consumer.#ensure());
    consumer.#running = consumer.#run();
    return consumer;
  }

  health(): Health {
    return this.#failure === null ? HEALTHY : unhealthy(this.#failure);
  }

  /** The fact that is being handled is finished first. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const backOff = new BackOff(RESTART_LIMITS);
    while (!signal.aborted) {
      const restart = new AbortController();
      const forget = this.#connection.onReconnect(() => restart.abort());
      try {
        await this.#ensure();
        this.#failure = null;
        backOff.succeeded();
        await this.#consume(AbortSignal.any([signal, restart.signal]));
      } catch (thrown) {
        const error = toLmsError(thrown);
        this.#failure = `consumer ${this.#options.name}: ${error.message}`;
        this.#connection.logger.warn({ consumer: this.#options.name, code: error.code }, error.message);
      } finally {
        forget();
      }
      if (!restart.signal.aborted) await pause(backOff.failed(), signal);
    }
  }

  /** One that another release made, for other kinds, is changed: it goes on where it was. */
  async #ensure(): Promise<void> {
    const { consumers } = this.#connection.manager;
    const changeable = {
      filter_subjects: this.#options.kinds.map((kind) => `lms.v1.event.${subjectToken(kind)}.*`),
      ack_wait: nanos(ACKNOWLEDGE_WAIT_MILLISECONDS),
      max_deliver: -1,
      num_replicas: this.#connection.replicas,
    };
    try {
      await consumers.add(EVENT_STREAM.name, {
        durable_name: this.#options.name,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ...changeable,
      });
    } catch (thrown) {
      if (!isOtherwiseThere(thrown)) throw thrown;
      await consumers.update(EVENT_STREAM.name, this.#options.name, changeable);
    }
  }

  async #consume(until: AbortSignal): Promise<void> {
    const consumer = await this.#connection.jetstream.consumers.get(EVENT_STREAM.name, this.#options.name);
    const messages = await consumer.consume({ max_messages: PREFETCH_MESSAGES, abort_on_missing_resource: true });
    const stop = (): void => messages.stop();
    until.addEventListener('abort', stop, { once: true });
    if (until.aborted) stop();
    try {
      for await (const message of messages) {
        if (until.aborted) break;
        await this.#deliver(message);
      }
    } finally {
      until.removeEventListener('abort', stop);
      messages.stop();
    }
  }

  async #deliver(message: JsMsg): Promise<void> {
    const { name, handle } = this.#options;
    const carried = headersCarrier(message.headers);
    const replayFor = carried.get(REPLAY_FOR_HEADER);
    if (replayFor !== undefined && replayFor !== name) return message.ack();
    const deliveries = message.info.deliveryCount;
    if (deliveries > DELIVERIES_MAX) return this.#giveUp(message, 'the process ended while handling it, each time');
    const kind = message.subject.split('.')[3] ?? 'unknown';
    try {
      const settings = { kind: SpanKind.CONSUMER, parent: extractTrace(carried) };
      await withSpan(this.#spans, `event.${kind}`, settings, async () => {
        await handle(Event.fromJSON(JSON.parse(message.string())), this.#stopping.signal);
      });
      // Waits for the server's answer, so that a stop right afterwards does not deliver it again.
      await message.ackAck();
    } catch (thrown) {
      const error = toLmsError(thrown);
      this.#connection.logger.warn(
        { consumer: name, subject: message.subject, deliveries, code: error.code },
        `a fact was not handled: ${error.message}`,
      );
      if (deliveries >= DELIVERIES_MAX) await this.#giveUp(message, error.message);
      else message.nak(this.#retryDelay(deliveries));
    }
  }

  #retryDelay(deliveries: number): number {
    const first = this.#options.retryDelayMilliseconds ?? 500;
    return Math.min(first * 2 ** (deliveries - 1), RETRY_DELAY_LONGEST_MILLISECONDS);
  }

  /** Stored as a dead letter first and only then taken off: what happens in between repeats, nothing is lost. */
  async #giveUp(message: JsMsg, reason: string): Promise<void> {
    const failed = {
      consumer: this.#options.name,
      subject: message.subject,
      streamSequence: message.seq,
      deliveries: message.info.deliveryCount,
      payload: message.data,
      headers: message.headers,
    };
    try {
      await storeDeadLetter(this.#connection, failed, reason);
      message.term(reason);
      this.#connection.logger.error(
        { consumer: failed.consumer, subject: failed.subject },
        'a fact is a dead letter now',
      );
    } catch (thrown) {
      this.#connection.logger.warn({ error: thrown }, 'a dead letter could not be stored; it is tried again');
      message.nak(RETRY_DELAY_LONGEST_MILLISECONDS);
    }
  }
}
