/** From the table of flows to the rules of each role: whatever the table has no flow for, no rule lets through. */
import { LmsError } from '@lms/errors';
import { FLOWS, type Flow, type Party } from '../flows.ts';
import type { Direction } from '../port-table.ts';
import {
  ROLES,
  type InstallationNetwork,
  type ResolverPolicy,
  type Role,
  type RoleRules,
  type Rule,
  type RulePlan,
  type RuleRequest,
} from './model.ts';
import { distinctNetworks, type Network } from './network.ts';
import { Situation, type NameLookup } from './situation.ts';

const PARTY: Readonly<Record<Role, Party>> = {
  source: 'agent',
  staging: 'replication-server',
  manager: 'manager',
  proxy: 'proxy',
};

const NAMES: Readonly<Record<Party, string>> = {
  agent: 'source machines',
  'replication-server': 'replication servers',
  manager: 'manager and console',
  operator: 'operators',
  proxy: 'proxy',
  resolver: 'DNS',
};

export interface PlanOptions {
  readonly installation: InstallationNetwork;
  readonly request: RuleRequest;
  readonly lookup: NameLookup;
  readonly resolver: ResolverPolicy;
}

export function planRules({ installation, request, lookup, resolver }: PlanOptions): RulePlan {
  const situation = new Situation(installation, request, lookup, resolver);
  const wanted =
    request.roles.length > 0 ? request.roles : ROLES.filter((role) => role !== 'proxy' || situation.usesProxy);
  if (wanted.includes('proxy') && !situation.usesProxy) {
    throw new LmsError('INVALID_ARGUMENT', 'there is no proxy to make rules for', {
      field: '--proxy',
      action: 'Give --proxy http://HOST:PORT.',
    });
  }
  const roles = wanted.map((role) => ({ role, rules: rulesOf(PARTY[role], situation) }));
  return { roles, notes: notesOf(roles, situation, installation, request, resolver) };
}

/** Who uses a storage account: the manager, and replication servers. */
export function storageNetworks({ installation, request, lookup, resolver }: PlanOptions): readonly Network[] {
  const situation = new Situation(installation, request, lookup, resolver);
  return distinctNetworks([
    ...situation
      .destinations({ from: 'operator', to: 'manager', traffic: 'management' })
      .flatMap(({ networks }) => networks),
    ...request.staging,
  ]);
}

function rulesOf(party: Party, situation: Situation): readonly Rule[] {
  const active = FLOWS.filter((flow) => situation.isActive(flow));
  return [
    ...active.filter(({ to }) => to === party).flatMap((flow) => ingress(flow, situation)),
    ...active.filter(({ from }) => from === party).flatMap((flow) => egress(flow, situation)),
  ];
}

function egress(flow: Flow, situation: Situation): readonly Rule[] {
  const byPort = new Map<number, readonly Network[]>();
  for (const { port, networks } of situation.destinations(flow)) {
    byPort.set(port, [...(byPort.get(port) ?? []), ...networks]);
  }
  return [...byPort].flatMap(([port, networks]) => rules(flow, 'egress', port, networks));
}

function ingress(flow: Flow, situation: Situation): readonly Rule[] {
  const ports = situation.ports(flow);
  return ports.flatMap((port) => rules(flow, 'ingress', port, situation.origins(flow)));
}

function rules(flow: Flow, direction: Direction, port: number, networks: readonly Network[]): readonly Rule[] {
  const why = `${NAMES[flow.from]} to ${NAMES[flow.to]}: ${flow.traffic}`;
  const peers = distinctNetworks(networks);
  return flow.protocols.flatMap((protocol) =>
    ([4, 6] as const).flatMap((family): readonly Rule[] => {
      const ofFamily = peers.filter((network) => network.family === family);
      return ofFamily.length === 0 ? [] : [{ flow: flow.id, direction, protocol, port, family, peers: ofFamily, why }];
    }),
  );
}

function notesOf(
  roles: readonly RoleRules[],
  situation: Situation,
  { managerUrl }: InstallationNetwork,
  { operators, anywhere, resolvers }: RuleRequest,
  resolver: ResolverPolicy,
): readonly string[] {
  const notes = [`Of the installation ${managerUrl}. Manager and console share that address.`];
  const names = new Set(roles.flatMap(({ role }) => (role === 'manager' ? [] : situation.namesAskedBy(PARTY[role]))));
  if (names.size > 0) {
    notes.push(
      `Addresses are those that ${[...names].join(', ')} had when this was written: write it again when they change.`,
    );
    if (resolver.kind === 'unfiltered' && resolvers.length === 0) {
      notes.push("Names are asked for at the platform's own resolver, which these rules do not concern.");
    }
  }
  if (operators.length === 0 && roles.some(({ role }) => role === 'manager')) {
    notes.push('Operators are not let in to the console and the API: --operator names their networks.');
  }
  if (anywhere) notes.push('Open to everybody where no network was named, as --anywhere says.');
  return notes;
}
