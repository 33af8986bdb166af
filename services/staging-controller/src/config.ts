import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import type { HostConfiguration } from './host-driver.ts';
import type { Patience } from './initiation.ts';

export interface StagingControllerConfiguration {
  /** HOST:PORT of gRPC; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly events: EventsOptions;
  /** HOST:PORT of the registry's gRPC. */
  readonly registryAddress: string;
  /** Default: `DEFAULT_PATIENCE`. */
  readonly patience?: Patience;
  /** The driver `host`. */
  readonly host: HostConfiguration;
}

const CONFIGURATION = z.object({
  ...RPC_CONFIGURATION,
  ...EVENTS_CONFIGURATION,
  LMS_REGISTRY_ADDRESS: z.string(),
  LMS_STAGING_DRIVER: z.literal('host').default('host'),
  LMS_MANAGER_URL: z.url(),
  LMS_MANAGER_CA_SHA256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case'),
  LMS_REPLICATION_SERVER_DATA_DIRECTORY: z.string(),
  LMS_BLOCK_STREAM_LISTEN: z.string().regex(/^.+:\d+$/, 'must be HOST:PORT'),
  LMS_BLOCK_STREAM_ADDRESS: z.string().optional(),
  LMS_REPLICATION_SERVER_NAME: z.string().default('host'),
});

export function readStagingControllerConfiguration(
  environment: Environment = process.env,
): StagingControllerConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  const advertised = configured.LMS_BLOCK_STREAM_ADDRESS;
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    events: readEventsOptions(configured),
    registryAddress: configured.LMS_REGISTRY_ADDRESS,
    host: {
      managerUrl: configured.LMS_MANAGER_URL,
      caSha256: configured.LMS_MANAGER_CA_SHA256,
      dataDirectory: configured.LMS_REPLICATION_SERVER_DATA_DIRECTORY,
      blockStreamListen: configured.LMS_BLOCK_STREAM_LISTEN,
      advertisedNames: advertised === undefined ? [] : [advertised],
      name: configured.LMS_REPLICATION_SERVER_NAME,
    },
  };
}
