/** What is to be let through, before it is written in the language of any firewall. */
import type { Driver } from '../drivers.ts';
import type { AddressKind, Route } from '../flows.ts';
import type { Direction } from '../port-table.ts';
import type { Protocol } from '../ports.ts';
import type { Family, Network } from './network.ts';

/** Whose firewall: of source machines, of replication servers, of the manager, of an HTTP proxy between. */
export const ROLES = ['source', 'staging', 'manager', 'proxy'] as const;
export type Role = (typeof ROLES)[number];

export interface Rule {
  /** Of the table of flows; what the rule is called. */
  readonly flow: string;
  readonly direction: Direction;
  readonly protocol: Protocol;
  readonly port: number;
  readonly family: Family;
  /** The other ends, of that family; never empty. */
  readonly peers: readonly Network[];
  /** For people: who to whom, and what kind of traffic. */
  readonly why: string;
}

export interface RoleRules {
  readonly role: Role;
  readonly rules: readonly Rule[];
}

export interface RulePlan {
  readonly roles: readonly RoleRules[];
  /** What whoever applies the rules has to know, a sentence each. */
  readonly notes: readonly string[];
}

export interface Endpoint {
  /** Name or IP address. */
  readonly host: string;
  readonly port: number;
}

export interface BlockStreamAddress extends Endpoint {
  readonly kind: AddressKind;
}

/** What an installation says of itself. */
export interface InstallationNetwork {
  readonly driver: Driver;
  readonly managerUrl: string;
  /** Of the machines that the rules are for. */
  readonly blockStream: readonly BlockStreamAddress[];
  /** As the Replication Settings have it; null: replication servers go directly. */
  readonly stagingProxyUrl: string | null;
}

/** What only people know. Lists may be empty. */
export interface RuleRequest {
  /** Empty: all that there are. */
  readonly roles: readonly Role[];
  /** null: by a proxy where one is named, else directly. */
  readonly route: Route | null;
  /** null: every address that there is. */
  readonly address: AddressKind | null;
  /** As the staging area and the manager see source machines: behind NAT, the translated addresses. */
  readonly sources: readonly Network[];
  readonly staging: readonly Network[];
  /** In the place of what the manager's URL leads to. */
  readonly manager: readonly Network[];
  readonly operators: readonly Network[];
  readonly resolvers: readonly Network[];
  /** Of source machines, and of the staging area where the settings name none. */
  readonly proxyUrl: string | null;
  /** By which agents reach replication servers; null: directly, whatever way 443 takes. */
  readonly blockStreamProxyUrl: string | null;
  /** Where a network is needed and none is named: everybody. */
  readonly anywhere: boolean;
}

/** How names are asked for where the rules will hold. */
export type ResolverPolicy =
  | { readonly kind: 'given' }
  /** The platform's resolver cannot be filtered, and needs no rule. */
  | { readonly kind: 'unfiltered' }
  | { readonly kind: 'usual'; readonly networks: readonly Network[] }
  /** The cluster's own, which a rule names by its pods. */
  | { readonly kind: 'cluster' };
