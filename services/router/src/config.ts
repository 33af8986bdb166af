import { RPC_CONFIGURATION, readTlsMaterial, type TlsMaterial } from '@lms/rpc';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import { readClusterDomain } from './cluster-domain.ts';

export interface RouterConfiguration {
  readonly tls: TlsMaterial;
  /** HOST:PORT of gRPC. */
  readonly stagingAddress: string;
  /** Shared with HAProxy: its maps and its socket. */
  readonly stateDirectory: string;
  /** What completes names that end in `.svc`: HAProxy asks DNS for whole names only. */
  readonly clusterDomain: string;
}

const CONFIGURATION = z.object({
  LMS_TLS_CA: RPC_CONFIGURATION.LMS_TLS_CA,
  LMS_TLS_CERT: RPC_CONFIGURATION.LMS_TLS_CERT,
  LMS_TLS_KEY: RPC_CONFIGURATION.LMS_TLS_KEY,
  LMS_STAGING_ADDRESS: z.string(),
  LMS_ROUTER_STATE_DIRECTORY: z.string().default('/run/lms'),
  LMS_CLUSTER_DOMAIN: z.string().optional(),
});

export function readRouterConfiguration(environment: Environment = process.env): RouterConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  return {
    tls: readTlsMaterial(configured),
    stagingAddress: configured.LMS_STAGING_ADDRESS,
    stateDirectory: configured.LMS_ROUTER_STATE_DIRECTORY,
    clusterDomain: configured.LMS_CLUSTER_DOMAIN ?? readClusterDomain(),
  };
}
