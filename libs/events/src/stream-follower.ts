/**
 * Follows a stream into memory, for as long as the service lives: the newest message of each subject first, then each as
 * it comes. After a reconnect it begins anew, so a message may be shown twice: `apply` must not mind.
 *
 * Every replica of a service follows the whole stream and so has the same memory; none of them has to be asked by the
 * others, and a restart costs one read of the newest messages.
 */
import { toLmsError } from '@lms/errors';
import { BackOff, HEALTHY, pause, unhealthy, type Health } from '@lms/service';
import type { EventConnection } from './connection.ts';
import { readStream, type StoredMessage } from './stream-reader.ts';
import { ensureStream, type StreamDescription } from './streams.ts';
import { untilAnswered } from './until-answered.ts';

const RESTART_LIMITS = { firstMilliseconds: 200, longestMilliseconds: 5_000 };

export interface StreamFollowerOptions {
  readonly stream: StreamDescription;
  /** A message that it throws at is logged and passed over. */
  readonly apply: (message: StoredMessage) => void;
}

export class StreamFollower {
  readonly #connection: EventConnection;
  readonly #options: StreamFollowerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: string | null = null;

  private constructor(connection: EventConnection, options: StreamFollowerOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Resolves when everything that the stream holds now has been applied. */
  static async start(
    connection: EventConnection,
    options: StreamFollowerOptions,
    signal: AbortSignal,
  ): Promise<StreamFollower> {
    await ensureStream(connection, options.stream);
    const follower = new StreamFollower(connection, options);
    await untilAnswered(connection, `reading of stream ${options.stream.name}`, () => follower.#read(false, signal));
    follower.#running = follower.#run();
    return follower;
  }

  health(): Health {
    return this.#failure === null ? HEALTHY : unhealthy(this.#failure);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const stopping = AbortSignal.any([this.#stopping.signal, this.#connection.closing]);
    const backOff = new BackOff(RESTART_LIMITS);
    while (!stopping.aborted) {
      const restart = new AbortController();
      const forget = this.#connection.onReconnect(() => restart.abort());
      try {
        this.#failure = null;
        await this.#read(true, AbortSignal.any([stopping, restart.signal]));
      } catch (thrown) {
        if (!stopping.aborted && !restart.signal.aborted) this.#report(thrown);
      } finally {
        forget();
      }
      if (restart.signal.aborted) backOff.succeeded();
      else await pause(backOff.failed(), stopping);
    }
  }

  async #read(follow: boolean, signal: AbortSignal): Promise<void> {
    const { stream, apply } = this.#options;
    const messages = readStream(this.#connection, stream.name, {
      subjects: stream.subjects,
      lastPerSubject: true,
      follow,
      signal,
    });
    for await (const message of messages) {
      try {
        apply(message);
      } catch (thrown) {
        this.#connection.logger.warn({ error: thrown, subject: message.subject }, 'a stored message cannot be read');
      }
    }
  }

  #report(thrown: unknown): void {
    const error = toLmsError(thrown);
    this.#failure = `following of stream ${this.#options.stream.name}: ${error.message}`;
    this.#connection.logger.warn({ code: error.code }, this.#failure);
  }
}
