/**
 * Facts about changes that are in the state already. They are published one after the other and again until NATS has them;
 * the message id (entity and revision) makes a repetition harmless. What is lost when the process is killed in between is
 * made good at the next start: `republish` says again what is true now.
 */
import { publishFact, type EventConnection } from '@lms/events';
import { toLmsError } from '@lms/errors';
import type { Event } from '@lms/proto';
import { BackOff, pause } from '@lms/service';
import { context, type Context } from '@lms/telemetry';

/** When NATS is away state cannot change either, so only what was written just before waits here. */
const MAXIMUM_WAITING = 10_000;
const RETRY_LIMITS = { firstMilliseconds: 100, longestMilliseconds: 5_000 };

interface Waiting {
  readonly event: Event;
  readonly messageId: string;
  readonly context: Context;
}

export class Facts {
  readonly #connection: EventConnection;
  readonly #waiting: Waiting[] = [];
  readonly #stopping = new AbortController();
  #publishing: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(connection: EventConnection) {
    this.#connection = connection;
  }

  /** `entity`: such as `machine.m-1`. `machineId`: last part of the subject. */
  tell(machineId: string, fact: NonNullable<Event['fact']>, entity: string, revision: number): void {
    if (this.#waiting.length >= MAXIMUM_WAITING) {
      this.#connection.logger.error({ entity }, 'too many facts wait for NATS; this one is told at the next start');
      return;
    }
    const event: Event = { occurredAt: new Date(), machineId, fact };
    const messageId = `${fact.$case}.${entity}.${revision}`;
    this.#waiting.push({ event, messageId, context: context.active() });
    if (this.#busy) return;
    this.#busy = true;
    this.#publishing = this.#publishAll();
  }

  /** Publishes what waits, for a second at most, and ends. */
  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#stopping.abort(), STOP_LIMIT_MILLISECONDS);
    await this.#publishing;
    clearTimeout(limit);
  }

  async #publishAll(): Promise<void> {
    const backOff = new BackOff(RETRY_LIMITS);
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { event, messageId } = next;
      try {
        await context.with(next.context, () => publishFact(this.#connection, event, { messageId }));
        this.#waiting.shift();
        backOff.succeeded();
      } catch (thrown) {
        const error = toLmsError(thrown);
        this.#connection.logger.warn({ code: error.code, messageId }, `a fact waits: ${error.message}`);
        if (!error.retryable) this.#waiting.shift();
        else if (!(await pause(backOff.failed(), this.#stopping.signal))) break;
      }
    }
    this.#busy = false;
  }
}

const STOP_LIMIT_MILLISECONDS = 1_000;
