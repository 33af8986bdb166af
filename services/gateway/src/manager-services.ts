/** The services behind the gateway, as typed clients. */
import { ComponentService, LogsService, RegistryService, StagingService, StatisticsService } from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import type { GatewayConfiguration } from './config.ts';

export interface ServiceClients {
  readonly registry: RpcClient<typeof RegistryService>;
  readonly statistics: RpcClient<typeof StatisticsService>;
  readonly logs: RpcClient<typeof LogsService>;
  readonly staging: RpcClient<typeof StagingService>;
  /** By the name that `lms status` shows. */
  readonly components: ReadonlyMap<string, RpcClient<typeof ComponentService>>;
  close(): void;
}

export function createServiceClients(configuration: GatewayConfiguration): ServiceClients {
  const { tls } = configuration;
  const addresses = {
    registry: configuration.registryAddress,
    'stats-ingest': configuration.statisticsAddress,
    'log-ingest': configuration.logsAddress,
    'staging-controller': configuration.stagingAddress,
  };
  const to = (component: keyof typeof addresses) => ({ component, address: addresses[component], tls });
  const names = Object.keys(addresses) as (keyof typeof addresses)[];
  const components = new Map(names.map((name) => [name as string, createRpcClient(ComponentService, to(name))]));
  const registry = createRpcClient(RegistryService, to('registry'));
  const statistics = createRpcClient(StatisticsService, to('stats-ingest'));
  const logs = createRpcClient(LogsService, to('log-ingest'));
  const staging = createRpcClient(StagingService, to('staging-controller'));
  return {
    registry,
    statistics,
    logs,
    staging,
    components,
    close: () => {
      for (const client of [registry, statistics, logs, staging, ...components.values()]) client.close();
    },
  };
}
