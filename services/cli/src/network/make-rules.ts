/** `lms network rules`: what the manager knows of the installation, what was given, and what names lead to from here. */
import { lookup } from 'node:dns/promises';
import type { NetworkAnswer, OperatorApi } from '@lms/api';
import type { Result } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import {
  firewallRules,
  namesIn,
  type AddressKind,
  type BlockStreamAddress,
  type InstallationNetwork,
  type Network,
  type OtherTraffic,
  type Role,
  type Route,
  type RuleRequest,
  type TargetName,
} from '@lms/network';
import type { BlockStreamOption } from './option-values.ts';

export interface RulesCommandOptions {
  readonly for: TargetName;
  readonly role?: readonly Role[];
  readonly route?: Route;
  readonly address?: AddressKind;
  readonly machine?: readonly string[];
  readonly source?: readonly Network[];
  readonly staging?: readonly Network[];
  readonly manager?: readonly Network[];
  readonly operator?: readonly Network[];
  readonly dns?: readonly Network[];
  readonly proxy?: string;
  readonly blockStreamProxy?: string;
  readonly blockStream?: readonly BlockStreamOption[];
  readonly anywhere: boolean;
  readonly otherTraffic: OtherTraffic;
  readonly network?: string;
  readonly namespace: string;
  readonly release: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly storageAccount?: string;
  readonly storageSubnet?: readonly string[];
}

export interface MadeRules {
  readonly result: Result;
  /** For the person at the terminal. */
  readonly remarks: readonly string[];
}

export async function makeRules(
  api: OperatorApi,
  options: RulesCommandOptions,
  signal: AbortSignal,
): Promise<MadeRules> {
  const answer = await api.network(signal);
  const installation: InstallationNetwork = {
    driver: answer.driver,
    managerUrl: answer.managerUrl,
    stagingProxyUrl: answer.stagingProxyUrl,
    blockStream: options.blockStream ?? (await addressesOf(api, answer, options.machine ?? [], signal)),
  };
  const request = requestOf(options);
  const addresses = await lookUp(namesIn(installation, request), signal);
  const { text, title, apply, notes } = firewallRules({
    target: options.for,
    installation,
    request,
    options: {
      otherTraffic: options.otherTraffic,
      network: options.network ?? null,
      namespace: options.namespace,
      release: options.release,
      selector: options.selector ?? null,
      storageAccount: storageAccountOf(options),
    },
    lookup: (host) => addresses.get(host) ?? [],
  });
  return {
    result: {
      value: { for: options.for, title, apply, notes, text },
      names: () => [options.for],
      table: () => text.trimEnd(),
    },
    remarks: [...notes, `${title}. Put into force by: ${apply}`],
  };
}

function requestOf(options: RulesCommandOptions): RuleRequest {
  return {
    roles: options.role ?? [],
    route: options.route ?? null,
    address: options.address ?? null,
    sources: options.source ?? [],
    staging: options.staging ?? [],
    manager: options.manager ?? [],
    operators: options.operator ?? [],
    resolvers: options.dns ?? [],
    proxyUrl: options.proxy ?? null,
    blockStreamProxyUrl: options.blockStreamProxy ?? null,
    anywhere: options.anywhere,
  };
}

function storageAccountOf({ storageAccount, storageSubnet = [] }: RulesCommandOptions) {
  if (storageAccount !== undefined) return { name: storageAccount, subnets: storageSubnet };
  if (storageSubnet.length === 0) return null;
  throw new LmsError('INVALID_ARGUMENT', 'a subnet of which storage account', {
    field: '--storage-account',
    action: 'Give --storage-account NAME too.',
  });
}

/** Those of the machines that are named; of all where none is. */
async function addressesOf(
  api: OperatorApi,
  { blockStream, machines }: NetworkAnswer,
  named: readonly string[],
  signal: AbortSignal,
): Promise<readonly BlockStreamAddress[]> {
  const own = new Map(machines.map((machine) => [machine.id, machine.blockStream]));
  if (named.length === 0) return distinct([...blockStream, ...[...own.values()].flat()]);
  const found = await Promise.all(
    named.map(async (idOrName) => own.get((await api.machine(idOrName, signal)).id) ?? blockStream),
  );
  return distinct(found.flat());
}

function distinct(addresses: readonly BlockStreamAddress[]): readonly BlockStreamAddress[] {
  const keys = new Map(addresses.map((address) => [`${address.kind} ${address.host} ${address.port}`, address]));
  return [...keys.values()];
}

/** A name that leads nowhere from here has no addresses; whether that matters, the rules know. */
async function lookUp(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  await Promise.all(
    names.map(async (name) => {
      try {
        found.set(
          name,
          (await lookup(name, { all: true })).map(({ address }) => address),
        );
      } catch {
        found.set(name, []);
      }
    }),
  );
  signal.throwIfAborted();
  return found;
}
