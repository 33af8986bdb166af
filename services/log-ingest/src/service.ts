import { EventConnection } from '@lms/events';
import { LogsService } from '@lms/proto';
import { RpcServer } from '@lms/rpc';
import { combineHealth, unhealthy, type Health, type Service } from '@lms/service';
import type { LogIngestConfiguration } from './config.ts';
import { LogStore } from './store.ts';

export interface LogIngestServiceModule extends Service {
  /** HOST:PORT of gRPC, once started. */
  readonly address: string;
}

export function createLogIngestService(configuration: LogIngestConfiguration): LogIngestServiceModule {
  return new LogIngestService(configuration);
}

class LogIngestService implements LogIngestServiceModule {
  readonly name = 'log-ingest';
  readonly #configuration: LogIngestConfiguration;
  #connection: EventConnection | null = null;
  #server: RpcServer | null = null;

  constructor(configuration: LogIngestConfiguration) {
    this.#configuration = configuration;
  }

  get address(): string {
    if (this.#server === null) throw new Error('log-ingest is not started');
    return this.#server.address;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { listen, tls, events } = this.#configuration;
    this.#connection = await EventConnection.connect(events, this.name, signal);
    const store = await LogStore.open(this.#connection);
    this.#server = new RpcServer({ component: this.name, listen, tls, health: () => this.health() }).serve(
      LogsService,
      {
        appendLogs: async (request) => {
          await store.append(request);
          return {};
        },
        queryLogs: (request, context) => store.query(request, context.signal),
        tailLogs: async function* (request, context) {
          for await (const records of store.tail(request, context.signal)) yield { records };
        },
      },
    );
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#connection?.close();
  }

  health(): Health {
    if (this.#connection === null) return unhealthy('starting');
    return combineHealth([this.#connection.health()]);
  }
}
