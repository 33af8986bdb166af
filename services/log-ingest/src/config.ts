import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';

export interface LogIngestConfiguration {
  /** HOST:PORT of gRPC; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly events: EventsOptions;
}

const CONFIGURATION = z.object({ ...RPC_CONFIGURATION, ...EVENTS_CONFIGURATION });

export function readLogIngestConfiguration(environment: Environment = process.env): LogIngestConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    events: readEventsOptions(configured),
  };
}
