/**
 * Who connects to whom in a cluster, and nothing else. The chart makes its NetworkPolicies from this, by a file that
 * `node scripts/network/main.ts` writes; docs/kubernetes.md shows it.
 */
import { BLOCK_STREAM_PORT } from '../ports.ts';

/** Pods of the release. `setup` and `check` end by themselves. */
export const COMPONENTS = [
  'gateway',
  'registry',
  'stats-ingest',
  'log-ingest',
  'staging-controller',
  'replication-server',
  'router',
  'nats',
  'setup',
  'check',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** Who is outside of the release; the chart's values (`networkPolicy`) say where they are. */
export const OUTSIDERS = [
  'agents',
  'anybody',
  'api-server',
  'bucket',
  'dns',
  'external-nats',
  'ingress-controllers',
  'monitoring',
  'otlp',
] as const;
export type Outsider = (typeof OUTSIDERS)[number];

/** The chart's templates/_network.tpl says when each holds. */
export const FLOW_CONDITIONS = [
  'always',
  'plain',
  'gatewayFromOutside',
  'router',
  'direct',
  'nats',
  'externalNats',
  'natsCluster',
  'otlp',
  'routerOtlp',
  'monitoring',
  'bucketStream',
] as const;
export type FlowCondition = (typeof FLOW_CONDITIONS)[number];

/** Ports of pods: no pod may use one below 1024. */
export const POD_PORTS = {
  gatewayPlain: 8080,
  rpc: 8443,
  gateway: 8444,
  gatewayPeers: 8445,
  blockStream: BLOCK_STREAM_PORT,
  nats: 4222,
  natsCluster: 6222,
  routerMetrics: 9101,
} as const;

export interface ClusterFlow {
  readonly from: readonly (Component | Outsider)[];
  readonly to: Component | Outsider;
  /** Empty: the values say. */
  readonly ports: readonly number[];
  readonly when: FlowCondition;
  readonly what: string;
}

const { gatewayPlain, rpc, gateway, gatewayPeers, blockStream, nats, natsCluster, routerMetrics } = POD_PORTS;
const SERVICES = [
  'gateway',
  'registry',
  'stats-ingest',
  'log-ingest',
  'staging-controller',
  'replication-server',
] as const;
const NATS_CLIENTS = ['registry', 'stats-ingest', 'log-ingest', 'staging-controller', 'check'] as const;
const FROM_OUTSIDE = "agents' and operators' 443";

export const CLUSTER_FLOWS: readonly ClusterFlow[] = [
  flow(['ingress-controllers'], 'gateway', [gatewayPlain], FROM_OUTSIDE, 'plain'),
  flow(['anybody'], 'gateway', [gateway], FROM_OUTSIDE, 'gatewayFromOutside'),
  flow(['replication-server', 'check'], 'gateway', [gateway], 'statistics, logs, staging API'),
  flow(['gateway'], 'gateway', [gatewayPeers], 'exports whose ends came to different gateways'),
  flow(['gateway', 'staging-controller'], 'registry', [rpc], 'gRPC'),
  flow(['gateway'], 'stats-ingest', [rpc], 'gRPC'),
  flow(['gateway'], 'log-ingest', [rpc], 'gRPC'),
  flow(['gateway'], 'staging-controller', [rpc], 'gRPC'),
  flow(['router'], 'staging-controller', [rpc], 'routes', 'router'),
  flow(NATS_CLIENTS, 'nats', [nats], 'state and events', 'nats'),
  flow(NATS_CLIENTS, 'external-nats', [], 'state and events', 'externalNats'),
  flow(['nats'], 'nats', [natsCluster], 'copies between servers', 'natsCluster'),
  flow(['agents'], 'router', [blockStream], 'block streams', 'router'),
  flow(['check'], 'router', [blockStream], 'helm test', 'router'),
  flow(['router'], 'replication-server', [blockStream], 'block streams', 'router'),
  flow(['agents'], 'replication-server', [blockStream], 'block streams', 'direct'),
  flow(['staging-controller', 'setup'], 'api-server', [], 'objects of machines; Secrets'),
  flow([...SERVICES, 'check'], 'dns', [], 'names of Services'),
  flow(['router'], 'dns', [], 'names of Services', 'router'),
  flow(['nats'], 'dns', [], 'names of Services', 'nats'),
  flow(SERVICES, 'otlp', [], 'traces, metrics, logs', 'otlp'),
  flow(['router'], 'otlp', [], 'traces, metrics, logs', 'routerOtlp'),
  flow(['gateway'], 'bucket', [], 'agent packages', 'bucketStream'),
  flow(['monitoring'], 'router', [routerMetrics], 'metrics', 'monitoring'),
];

function flow(
  from: ClusterFlow['from'],
  to: ClusterFlow['to'],
  ports: readonly number[],
  what: string,
  when: FlowCondition = 'always',
): ClusterFlow {
  return { from, to, ports, when, what };
}
