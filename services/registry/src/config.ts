import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, readConfiguredFile, type Environment } from '@lms/service';
import { z } from 'zod';

export interface RegistryConfiguration {
  /** HOST:PORT of gRPC; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly events: EventsOptions;
  /** Holds `ca.pem` and `ca-key.pem`: made at the first start where they may be written. */
  readonly caDirectory: string;
  /** nats-server's pid file, for `lms status`; null: NATS is not on this host. */
  readonly natsPidFile: string | null;
  /** Hex SHA-256 of an API token that operators have without a registry's doing; absent: there is none. */
  readonly operatorTokenSha256?: string;
}

const CONFIGURATION = z.object({
  ...RPC_CONFIGURATION,
  ...EVENTS_CONFIGURATION,
  LMS_CA_DIRECTORY: z.string(),
  LMS_NATS_PID_FILE: z.string().optional(),
  LMS_OPERATOR_TOKEN_SHA256_FILE: z.string().optional(),
});

export function readRegistryConfiguration(environment: Environment = process.env): RegistryConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  const digestFile = configured.LMS_OPERATOR_TOKEN_SHA256_FILE;
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    events: readEventsOptions(configured),
    caDirectory: configured.LMS_CA_DIRECTORY,
    natsPidFile: configured.LMS_NATS_PID_FILE ?? null,
    ...(digestFile !== undefined && {
      operatorTokenSha256: readConfiguredFile('LMS_OPERATOR_TOKEN_SHA256_FILE', digestFile).trim(),
    }),
  };
}
