/** Statistics of agents and replication servers: validated, stored, and what follows from them: state, lag, backlog. */
export { readStatsIngestConfiguration, type StatsIngestConfiguration } from './config.ts';
export { DEFAULT_PATIENCE, type Patience } from './derivation.ts';
export { createStatsIngestService, type StatsIngestServiceModule } from './service.ts';
