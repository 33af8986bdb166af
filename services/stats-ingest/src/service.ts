/** Statistics of agents and replication servers: stored as they came, and what follows from them. */
import { EventConnection, FactConsumer } from '@lms/events';
import { StatisticsService } from '@lms/proto';
import { RpcServer } from '@lms/rpc';
import { combineHealth, unhealthy, type Health, type Service } from '@lms/service';
import type { StatsIngestConfiguration } from './config.ts';
import { DEFAULT_PATIENCE } from './derivation.ts';
import { statisticsHandlers } from './handlers.ts';
import { KNOWN_FACT_KINDS, withEvent } from './known-facts.ts';
import { StatisticsStore } from './store.ts';

const NAME = 'stats-ingest';

export interface StatsIngestServiceModule extends Service {
  /** HOST:PORT of gRPC, once started. */
  readonly address: string;
}

export function createStatsIngestService(configuration: StatsIngestConfiguration): StatsIngestServiceModule {
  const parts = new AsyncDisposableStack();
  let health = (): Health => unhealthy('not started');
  let server: RpcServer | null = null;
  return {
    name: NAME,
    get address() {
      if (server === null) throw new Error(`${NAME} is not started`);
      return server.address;
    },
    health: () => health(),
    async start(signal) {
      const connection = await EventConnection.connect(configuration.events, NAME, signal);
      parts.defer(() => connection.close());
      const store = await StatisticsStore.open(connection, signal);
      parts.defer(() => store.close());
      const consumer = await FactConsumer.start(connection, {
        name: NAME,
        kinds: KNOWN_FACT_KINDS,
        handle: (event) =>
          event.fact?.$case === 'machineRemoved'
            ? store.forget(event.machineId)
            : store.changeKnown(event.machineId, (known) => withEvent(known, event)),
      });
      parts.defer(() => consumer.stop());
      health = () => combineHealth([connection.health(), store.health(), consumer.health()]);
      const { listen, tls, patience = DEFAULT_PATIENCE } = configuration;
      server = new RpcServer({ component: NAME, listen, tls, health });
      server.serve(StatisticsService, statisticsHandlers({ connection, store, patience }));
      await server.start();
      const started = server;
      parts.defer(() => started.stop());
    },
    async stop() {
      health = () => unhealthy('stopped');
      await parts.disposeAsync();
    },
  };
}
