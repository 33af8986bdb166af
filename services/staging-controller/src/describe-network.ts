/** Every address of 1500 that firewalls have to know: those of machines in general, and of the machines that have others. Pure. */
import {
  AddressKind,
  StagingPlace,
  type BlockStreamSettings,
  type DescribeNetworkResponse,
  type NetworkAddress,
} from '@lms/proto';
import { namedAddresses, type FoundWays, type NamedAddress } from './block-stream-ways.ts';

export interface NetworkParts {
  readonly place: 'host' | 'kubernetes';
  /** Of a machine that has no replication server yet. */
  readonly usual: FoundWays;
  /** Of machines for which nothing else is set. */
  readonly settings: BlockStreamSettings | undefined;
  readonly machines: readonly MachineParts[];
}

export interface MachineParts {
  readonly machineId: string;
  readonly found: FoundWays;
  readonly settings: BlockStreamSettings | undefined;
}

const PLACES = { host: StagingPlace.HOST, kubernetes: StagingPlace.KUBERNETES } as const;
const KINDS = { public: AddressKind.PUBLIC, private: AddressKind.PRIVATE } as const;

export function describeNetwork({ place, usual, settings, machines }: NetworkParts): DescribeNetworkResponse {
  const common = namedAddresses(usual, settings);
  const others = machines
    .map(({ machineId, found, settings: own }) => ({ machineId, addresses: namedAddresses(found, own) }))
    .filter(({ addresses }) => addresses.length > 0 && textOf(addresses) !== textOf(common));
  return {
    place: PLACES[place],
    addresses: common.map(networkAddress),
    machines: others.map(({ machineId, addresses }) => ({ machineId, addresses: addresses.map(networkAddress) })),
  };
}

function networkAddress({ kind, host, port }: NamedAddress): NetworkAddress {
  return { kind: KINDS[kind], host, port };
}

/** Equal for equal addresses in the same order. */
function textOf(addresses: readonly NamedAddress[]): string {
  return JSON.stringify(addresses.map(({ kind, host, port }) => [kind, host, port]));
}
