/** The manager's 443: REST for agents, replication servers and operators. */
export { readPackagesConfiguration } from './agent-packages/environment.ts';
export type { PackagesConfiguration } from './agent-packages/package-store.ts';
export { readGatewayConfiguration, type GatewayConfiguration } from './config.ts';
export { createGatewayService, type GatewayServiceModule } from './service.ts';
