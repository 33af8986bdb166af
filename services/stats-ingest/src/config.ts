import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import { DEFAULT_PATIENCE, type Patience } from './derivation.ts';

export interface StatsIngestConfiguration {
  /** HOST:PORT of gRPC; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly events: EventsOptions;
  /** Default: `DEFAULT_PATIENCE`. */
  readonly patience?: Patience;
}

const CONFIGURATION = z.object({
  ...RPC_CONFIGURATION,
  ...EVENTS_CONFIGURATION,
  LMS_AGENT_NOT_SEEN_SECONDS: z.coerce
    .number()
    .positive()
    .default(DEFAULT_PATIENCE.agentSilentMilliseconds / 1000),
});

export function readStatsIngestConfiguration(environment: Environment = process.env): StatsIngestConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    events: readEventsOptions(configured),
    patience: { ...DEFAULT_PATIENCE, agentSilentMilliseconds: configured.LMS_AGENT_NOT_SEEN_SECONDS * 1000 },
  };
}
