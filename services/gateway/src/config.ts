import { hostname } from 'node:os';
import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';

export interface GatewayConfiguration {
  /** HOST:PORT of 443; port 0: any free one. */
  readonly listen: string;
  /** For gRPC to the other services. */
  readonly tls: TlsMaterial;
  /** DNS names and IP addresses that the gateway answers as; the first is what others are told. */
  readonly names: readonly string[];
  /** What others are told instead, where something else stands before this gateway. */
  readonly publicUrl?: string;
  /** HOST:PORT of gRPC. */
  readonly registryAddress: string;
  readonly statisticsAddress: string;
  readonly logsAddress: string;
  readonly stagingAddress: string;
}

const CONFIGURATION = z.object({
  ...RPC_CONFIGURATION,
  LMS_NAMES: z.string().optional(),
  LMS_PUBLIC_URL: z.url({ protocol: /^https$/ }).optional(),
  LMS_REGISTRY_ADDRESS: z.string(),
  LMS_STATISTICS_ADDRESS: z.string(),
  LMS_LOGS_ADDRESS: z.string(),
  LMS_STAGING_ADDRESS: z.string(),
});

export function readGatewayConfiguration(environment: Environment = process.env): GatewayConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  const names = (configured.LMS_NAMES ?? hostname()).split(',').map((name) => name.trim());
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    names: names.filter((name) => name !== ''),
    ...(configured.LMS_PUBLIC_URL === undefined ? {} : { publicUrl: configured.LMS_PUBLIC_URL }),
    registryAddress: configured.LMS_REGISTRY_ADDRESS,
    statisticsAddress: configured.LMS_STATISTICS_ADDRESS,
    logsAddress: configured.LMS_LOGS_ADDRESS,
    stagingAddress: configured.LMS_STAGING_ADDRESS,
  };
}
