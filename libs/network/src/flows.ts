/**
 * Who connects to whom over the network, seen from outside: the one table that docs, firewall rules, checks and the answer of
 * GET /v1/network are made of. What goes on among the pods of a cluster stands in `cluster/`.
 *
 * A flow is one direction of connecting. Answers come back on the same connection: what lets a flow through has to know
 * connections (every cloud's security groups do, and nftables by `ct state`), or else lets the answers through by itself.
 */
import { DRIVERS, type Driver } from './drivers.ts';
import { BLOCK_STREAM_PORT, DNS_PORT, MANAGER_PORT, type Protocol } from './ports.ts';

/**
 * `operator`: `lms`, and the browser that shows the console. `proxy`: an HTTP proxy between a client and the manager, on a port
 * of its own choice.
 */
export const PARTIES = ['agent', 'replication-server', 'manager', 'operator', 'proxy', 'resolver'] as const;
export type Party = (typeof PARTIES)[number];

export const ROUTES = ['direct', 'proxy'] as const;
export type Route = (typeof ROUTES)[number];

export const ADDRESS_KINDS = ['public', 'private'] as const;
export type AddressKind = (typeof ADDRESS_KINDS)[number];

export type Traffic = 'data' | 'management' | 'names';

export interface Flow {
  readonly id: string;
  readonly from: Party;
  readonly to: Party;
  /** More than one: the same is asked by both. */
  readonly protocols: readonly Protocol[];
  /** Where nothing else was configured; null: there is no usual one. */
  readonly port: number | null;
  /** Who decides what the port is here, as a noun. */
  readonly portIsOf: string;
  readonly traffic: Traffic;
  /** By which way it exists: of 1500 where it is data, else of 443. */
  readonly routes: readonly Route[];
  readonly networks: readonly AddressKind[];
  readonly what: readonly string[];
  readonly neededBy: readonly Driver[];
}

const BOTH: readonly AddressKind[] = ADDRESS_KINDS;
const OF_AGENTS = [
  'installation and enrolment',
  'download of the agent',
  'certificates',
  'commands and settings',
  'statistics',
  'logs',
];
const OF_REPLICATION_SERVERS = ['staging API: assignments and settings', 'certificates', 'statistics', 'logs'];
const BLOCKS = ['replicated blocks, compressed and encrypted (TLS 1.3)'];
const OF_OPERATORS = ['console', 'commands of operators', 'exports of points in time'];

export const FLOWS: readonly Flow[] = [
  {
    id: 'agent-block-stream',
    from: 'agent',
    to: 'replication-server',
    protocols: ['tcp'],
    port: BLOCK_STREAM_PORT,
    portIsOf: 'the block-stream address',
    traffic: 'data',
    routes: ['direct'],
    networks: BOTH,
    what: BLOCKS,
    neededBy: DRIVERS,
  },
  management('agent-manager', 'agent', OF_AGENTS),
  management('replication-server-manager', 'replication-server', OF_REPLICATION_SERVERS),
  management('operator-manager', 'operator', OF_OPERATORS),
  toProxy('agent-proxy', 'agent', OF_AGENTS),
  toProxy('replication-server-proxy', 'replication-server', OF_REPLICATION_SERVERS),
  {
    ...management('proxy-manager', 'proxy', ['what agents and replication servers send by it']),
    routes: ['proxy'],
  },
  { ...toProxy('agent-block-stream-proxy', 'agent', BLOCKS), traffic: 'data' },
  {
    ...management('proxy-block-stream', 'proxy', BLOCKS),
    to: 'replication-server',
    port: BLOCK_STREAM_PORT,
    portIsOf: 'the block-stream address',
    traffic: 'data',
    routes: ['proxy'],
  },
  names('agent-names', 'agent'),
  names('replication-server-names', 'replication-server'),
  names('proxy-names', 'proxy'),
];

function management(id: string, from: Party, what: readonly string[]): Flow {
  return {
    id,
    from,
    to: 'manager',
    protocols: ['tcp'],
    port: MANAGER_PORT,
    portIsOf: "the manager's URL",
    traffic: 'management',
    routes: ['direct'],
    networks: BOTH,
    what,
    neededBy: DRIVERS,
  };
}

function toProxy(id: string, from: Party, what: readonly string[]): Flow {
  return { ...management(id, from, what), to: 'proxy', port: null, portIsOf: "the proxy's URL", routes: ['proxy'] };
}

function names(id: string, from: Party): Flow {
  return {
    ...management(id, from, ['addresses of the names that it is given; none where all of them are addresses']),
    to: 'resolver',
    protocols: ['udp', 'tcp'],
    port: DNS_PORT,
    portIsOf: 'DNS',
    traffic: 'names',
    routes: from === 'proxy' ? ['proxy'] : ROUTES,
  };
}

export function flowNamed(id: string): Flow {
  const found = FLOWS.find((flow) => flow.id === id);
  if (found === undefined) throw new Error(`there is no flow ${id}`);
  return found;
}
