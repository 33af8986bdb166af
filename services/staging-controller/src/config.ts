import { hostname } from 'node:os';
import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import type { HostConfiguration } from './host-driver.ts';
import type { Patience } from './initiation.ts';
import type { KubernetesConfiguration } from './kubernetes/driver.ts';
import { readKubernetesSettings } from './kubernetes/settings.ts';

interface CommonConfiguration {
  /** HOST:PORT of gRPC; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly events: EventsOptions;
  /** HOST:PORT of the registry's gRPC. */
  readonly registryAddress: string;
  /** Default: `DEFAULT_PATIENCE`. */
  readonly patience?: Patience;
}

/** Where replication servers run says which driver it is. */
export type StagingControllerConfiguration = CommonConfiguration &
  ({ readonly host: HostConfiguration } | { readonly kubernetes: KubernetesConfiguration });

const COMMON = { ...RPC_CONFIGURATION, ...EVENTS_CONFIGURATION, LMS_REGISTRY_ADDRESS: z.string() };

const HOST = z.object({
  ...COMMON,
  LMS_MANAGER_URL: z.url(),
  LMS_MANAGER_CA_SHA256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case'),
  LMS_REPLICATION_SERVER_DATA_DIRECTORY: z.string(),
  LMS_BLOCK_STREAM_LISTEN: z.string().regex(/^.+:\d+$/, 'must be HOST:PORT'),
  LMS_BLOCK_STREAM_ADDRESS: z.string().optional(),
  LMS_REPLICATION_SERVER_NAME: z.string().default('host'),
});

const KUBERNETES = z.object({
  ...COMMON,
  /** The file of the chart. */
  LMS_KUBERNETES_SETTINGS: z.string(),
  POD_NAME: z.string().default(() => `${hostname()}-${process.pid}`),
});

const DRIVER = z.object({ LMS_STAGING_DRIVER: z.enum(['host', 'kubernetes']).default('host') });

export function readStagingControllerConfiguration(
  environment: Environment = process.env,
): StagingControllerConfiguration {
  const { LMS_STAGING_DRIVER: driver } = readConfiguration(DRIVER, environment);
  return driver === 'host' ? readHost(environment) : readKubernetes(environment);
}

function readHost(environment: Environment): StagingControllerConfiguration {
  const configured = readConfiguration(HOST, environment);
  const advertised = configured.LMS_BLOCK_STREAM_ADDRESS;
  return {
    ...common(configured),
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

function readKubernetes(environment: Environment): StagingControllerConfiguration {
  const configured = readConfiguration(KUBERNETES, environment);
  return {
    ...common(configured),
    kubernetes: {
      settings: readKubernetesSettings(configured.LMS_KUBERNETES_SETTINGS),
      identity: configured.POD_NAME,
    },
  };
}

function common(configured: z.infer<z.ZodObject<typeof COMMON>>): CommonConfiguration {
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    events: readEventsOptions(configured),
    registryAddress: configured.LMS_REGISTRY_ADDRESS,
  };
}
