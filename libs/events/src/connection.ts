/**
 * One connection to NATS for a whole service. It reconnects for ever: NATS may be restarted under us at any time.
 *
 * While it is away, publishing fails at once (UNAVAILABLE) instead of filling a buffer: callers know better than a queue
 * what may be dropped. The downside is that each caller needs a way to try again, which all of ours have anyway.
 */
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { LmsError } from '@lms/errors';
import { HEALTHY, pause, readConfiguredFile, unhealthy, type Health } from '@lms/service';
import { createLogger, type Logger } from '@lms/telemetry';
import { fromNats } from './failure.ts';

const RECONNECT_MILLISECONDS = 250;
const RECONNECT_JITTER_MILLISECONDS = 250;
/** A connection that is silently dead is noticed after two of these. */
const PING_INTERVAL_MILLISECONDS = 10_000;
const REQUEST_TIMEOUT_MILLISECONDS = 5_000;
const CONNECT_TIMEOUT_MILLISECONDS = 5_000;
const CLOSE_TIMEOUT_MILLISECONDS = 2_000;

/** The part of a service's configuration that says where its NATS is. */
export const EVENTS_CONFIGURATION = {
  LMS_NATS_URL: z.string(),
  LMS_NATS_USER: z.string().default('lms'),
  LMS_NATS_PASSWORD_FILE: z.string().optional(),
  /** Of the CA that NATS' certificate is signed by. Absent: no TLS to NATS, such as on one host. */
  LMS_NATS_TLS_CA: z.string().optional(),
  /** 1 on one host, 3 in a cluster. */
  LMS_NATS_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
} as const;

export interface EventsOptions {
  readonly servers: readonly string[];
  readonly user: string;
  readonly password: string | null;
  /** File with the CA of NATS' certificate, read at each connection; absent: without TLS. */
  readonly tlsCaFile?: string;
  /** Copies of each stream and bucket. */
  readonly replicas: number;
}

export function readEventsOptions(configured: {
  readonly LMS_NATS_URL: string;
  readonly LMS_NATS_USER: string;
  readonly LMS_NATS_PASSWORD_FILE?: string | undefined;
  readonly LMS_NATS_TLS_CA?: string | undefined;
  readonly LMS_NATS_REPLICAS: number;
}): EventsOptions {
  const { LMS_NATS_PASSWORD_FILE: file, LMS_NATS_TLS_CA: tlsCaFile } = configured;
  return {
    servers: configured.LMS_NATS_URL.split(','),
    user: configured.LMS_NATS_USER,
    password: file === undefined ? null : readConfiguredFile('LMS_NATS_PASSWORD_FILE', file).trim(),
    ...(tlsCaFile !== undefined && { tlsCaFile }),
    replicas: configured.LMS_NATS_REPLICAS,
  };
}

export class EventConnection {
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly replicas: number;
  readonly logger: Logger;
  /** Aborted when the service is to stop, and when the connection is closed. */
  readonly givenUp: AbortSignal;
  readonly #closing = new AbortController();
  readonly #reconnected = new Set<() => void>();
  #connected = true;

  private constructor(
    nats: NatsConnection,
    manager: JetStreamManager,
    replicas: number,
    logger: Logger,
    signal: AbortSignal,
  ) {
    this.givenUp = AbortSignal.any([signal, this.#closing.signal]);
    this.nats = nats;
    this.jetstream = jetstream(nats, { timeout: REQUEST_TIMEOUT_MILLISECONDS });
    this.manager = manager;
    this.replicas = replicas;
    this.logger = logger;
    void this.#followStatus();
  }

  /** Waits for NATS until the signal ends it. `component`: shown in NATS's own list of connections. */
  static async connect(options: EventsOptions, component: string, signal: AbortSignal): Promise<EventConnection> {
    const logger = createLogger(component);
    for (;;) {
      signal.throwIfAborted();
      let nats: NatsConnection | null = null;
      try {
        nats = await connect({
          servers: [...options.servers],
          user: options.user,
          ...(options.password !== null && { pass: options.password }),
          ...(options.tlsCaFile !== undefined && { tls: { caFile: options.tlsCaFile } }),
          // Answers come to an inbox of this user's own, so that NATS can refuse it those of others.
          inboxPrefix: `_INBOX.${options.user}`,
          name: component,
          timeout: CONNECT_TIMEOUT_MILLISECONDS,
          pingInterval: PING_INTERVAL_MILLISECONDS,
          maxReconnectAttempts: -1,
          reconnectTimeWait: RECONNECT_MILLISECONDS,
          reconnectJitter: RECONNECT_JITTER_MILLISECONDS,
          ignoreAuthErrorAbort: true,
        });
        const manager = await jetstreamManager(nats, { timeout: REQUEST_TIMEOUT_MILLISECONDS });
        return new EventConnection(nats, manager, options.replicas, logger, signal);
      } catch (thrown) {
        await nats?.close();
        const error = fromNats(thrown, `connection to NATS at ${options.servers.join(', ')}`);
        logger.warn({ code: error.code }, error.message);
        await pause(RECONNECT_MILLISECONDS * 2, signal);
      }
    }
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Aborted when the connection is closed: for loops that live as long as it. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** UNAVAILABLE while NATS is away. */
  requireConnected(what: string): void {
    if (this.#connected) return;
    throw new LmsError('UNAVAILABLE', `${what}: NATS is not there now`, {
      action: 'Wait until NATS is back; nothing that was acknowledged is lost.',
    });
  }

  /** After each reconnect: what was watched must be looked at anew. Returns the way to end it. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => this.#reconnected.delete(listener);
  }

  health(): Health {
    return this.#connected ? HEALTHY : unhealthy('no connection to NATS');
  }

  async close(): Promise<void> {
    this.#closing.abort(new LmsError('CANCELLED', 'the connection to NATS is closed'));
    const limit = new AbortController();
    // Draining flushes what is under way; a NATS that is away would make it wait for ever.
    const drained = this.#connected ? this.nats.drain() : this.nats.close();
    await Promise.race([drained.catch(() => undefined), pause(CLOSE_TIMEOUT_MILLISECONDS, limit.signal)]);
    limit.abort();
    await this.nats.close();
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === 'disconnect') {
        this.#connected = false;
        if (!this.#closing.signal.aborted) this.logger.warn('NATS is away');
      } else if (status.type === 'reconnect') {
        this.#connected = true;
        this.logger.info('NATS is back');
        for (const listener of this.#reconnected) listener();
      } else if (status.type === 'error') {
        this.logger.warn({ error: status.error }, 'NATS reported an error');
      }
    }
    this.#connected = false;
  }
}
