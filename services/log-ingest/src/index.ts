/** Logs of agents and replication servers: validated, stored with a bound, queried, followed. */
export { readLogIngestConfiguration, type LogIngestConfiguration } from './config.ts';
export { createLogIngestService, type LogIngestServiceModule } from './service.ts';
