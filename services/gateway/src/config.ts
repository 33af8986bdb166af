import type { PackagesConfiguration } from './agent-packages/package-store.ts';
import { hostname } from 'node:os';
import { LISTEN_ADDRESS, RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import { PACKAGES_ENVIRONMENT, packagesConfiguration } from './agent-packages/environment.ts';

export interface GatewayConfiguration {
  /** HOST:PORT of 443; port 0: any free one. */
  readonly listen: string;
  /** HOST:PORT without TLS, for an ingress in front. Absent: none. */
  readonly listenPlain?: string;
  /** How many proxies in front of that one name the address of whoever came to them. Default 1. */
  readonly forwardedHops?: number;
  /** Where several gateways serve one manager. */
  readonly peers?: PeersConfiguration;
  /** For gRPC to the other services. */
  readonly tls: TlsMaterial;
  /** DNS names and IP addresses that the gateway answers as; the first is what others are told. */
  readonly names: readonly string[];
  /** What others are told instead, where something else stands before this gateway. */
  readonly publicUrl?: string;
  /** What machines without an agent load. Absent: nothing. */
  readonly agentPackages?: PackagesConfiguration;
  /** HOST:PORT of gRPC. */
  readonly registryAddress: string;
  readonly statisticsAddress: string;
  readonly logsAddress: string;
  readonly stagingAddress: string;
}

export interface PeersConfiguration {
  /** HOST:PORT of gRPC. */
  readonly listen: string;
  /** HOST:PORT each; all addresses of each host are gateways, and this one may be among them. */
  readonly names: readonly string[];
}

const CONFIGURATION = z.object({
  ...RPC_CONFIGURATION,
  LMS_LISTEN_PLAIN: LISTEN_ADDRESS.optional(),
  LMS_FORWARDED_HOPS: z.coerce.number().int().min(0).max(8).optional(),
  LMS_PEER_LISTEN: LISTEN_ADDRESS.optional(),
  LMS_PEERS: z.string().optional(),
  LMS_NAMES: z.string().optional(),
  LMS_PUBLIC_URL: z.url({ protocol: /^https$/ }).optional(),
  ...PACKAGES_ENVIRONMENT,
  LMS_REGISTRY_ADDRESS: z.string(),
  LMS_STATISTICS_ADDRESS: z.string(),
  LMS_LOGS_ADDRESS: z.string(),
  LMS_STAGING_ADDRESS: z.string(),
});

export function readGatewayConfiguration(environment: Environment = process.env): GatewayConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  return {
    listen: configured.LMS_LISTEN,
    tls: readTlsMaterial(configured),
    ...(configured.LMS_LISTEN_PLAIN === undefined ? {} : { listenPlain: configured.LMS_LISTEN_PLAIN }),
    ...(configured.LMS_FORWARDED_HOPS === undefined ? {} : { forwardedHops: configured.LMS_FORWARDED_HOPS }),
    ...(configured.LMS_PEER_LISTEN === undefined
      ? {}
      : { peers: { listen: configured.LMS_PEER_LISTEN, names: listOf(configured.LMS_PEERS ?? '') } }),
    names: listOf(configured.LMS_NAMES ?? hostname()),
    ...(configured.LMS_PUBLIC_URL === undefined ? {} : { publicUrl: configured.LMS_PUBLIC_URL }),
    ...packagesConfiguration(configured),
    registryAddress: configured.LMS_REGISTRY_ADDRESS,
    statisticsAddress: configured.LMS_STATISTICS_ADDRESS,
    logsAddress: configured.LMS_LOGS_ADDRESS,
    stagingAddress: configured.LMS_STAGING_ADDRESS,
  };
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
