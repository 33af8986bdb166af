/**
 * Replicas of staging-controller tell each other what they were told: a replication server calls whichever it reaches,
 * and the one that leads must know. Plain NATS and not a stream: everything is said again within half a minute.
 */
import { toLmsError } from '@lms/errors';
import type { EventConnection } from '@lms/events';
import { z } from 'zod';
import type { Sighting } from './sightings.ts';

const SUBJECT = 'lms.v1.sighting.staging';
/** Many in a row travel together. */
const GATHER_MILLISECONDS = 100;
/** Far above what is told in that time; more is said again anyway. */
const WAITING_MAX = 10_000;
const PER_MESSAGE_MAX = 1_000;

const SIGHTINGS = z.object({
  from: z.string(),
  sightings: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.enum(['called', 'ready']), server: z.string(), at: z.number() }),
      z.object({ kind: z.literal('taken'), server: z.string(), machineIds: z.array(z.string()) }),
      z.object({ kind: z.literal('told'), machineId: z.string() }),
    ]),
  ),
});

export class SightingExchange {
  readonly #connection: EventConnection;
  readonly #identity: string;
  readonly #waiting: Sighting[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** `identity`: of this replica, other than any other's. */
  constructor(connection: EventConnection, identity: string) {
    this.#connection = connection;
    this.#identity = identity;
  }

  tell(sighting: Sighting): void {
    if (this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(sighting);
    this.#timer ??= setTimeout(() => this.#send(), GATHER_MILLISECONDS);
  }

  /** Ends with the connection. */
  follow(learn: (sightings: readonly Sighting[]) => void): void {
    this.#connection.nats.subscribe(SUBJECT, {
      callback: (failure, message) => {
        try {
          if (failure !== null) throw failure;
          const { from, sightings } = SIGHTINGS.parse(message.json());
          if (from !== this.#identity) learn(sightings);
        } catch (thrown) {
          this.#connection.logger.warn(`a sighting of another replica was not read: ${toLmsError(thrown).message}`);
        }
      },
    });
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #send(): void {
    this.#timer = null;
    while (this.#waiting.length > 0) {
      const sightings = this.#waiting.splice(0, PER_MESSAGE_MAX);
      if (!this.#connection.connected) continue;
      try {
        this.#connection.nats.publish(SUBJECT, JSON.stringify({ from: this.#identity, sightings }));
      } catch (thrown) {
        this.#connection.logger.debug(`sightings were not told: ${toLmsError(thrown).message}`);
      }
    }
  }
}
