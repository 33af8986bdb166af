/** The manager's 443: REST for agents, replication servers and operators. */
export { readGatewayConfiguration, type GatewayConfiguration } from './config.ts';
export { createGatewayService, type GatewayServiceModule } from './service.ts';
