/** What a form of rules is: how it is written, and what has to be said about applying it. */
import type { Network } from '../network.ts';
import type { ResolverPolicy, Role, RoleRules, RulePlan } from '../model.ts';

/** What happens to whatever the rules do not name, where that is for the rules to say. */
export type OtherTraffic = 'drop' | 'leave';

export interface StorageAccount {
  readonly name: string;
  /** Addresses that come over the internet; Azure takes public ones only. */
  readonly addresses: readonly Network[];
  /** Resource ids of Azure subnets. */
  readonly subnets: readonly string[];
}

export interface RenderOptions {
  readonly otherTraffic: OtherTraffic;
  /** The cloud's network: a VPC's id, a network's name. null: the text leaves a place for it. */
  readonly network: string | null;
  readonly namespace: string;
  /** Release of the chart. */
  readonly release: string;
  /** Labels of pods that are none of the chart's. */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly storageAccount: StorageAccount | null;
}

export interface Target {
  readonly title: string;
  /** The roles that are named share one host, and get one set of rules. Otherwise each has its own, in one text. */
  readonly oneHost: boolean;
  readonly resolver: ResolverPolicy;
  /** How the text is put into force, as a command. */
  readonly apply: string;
  /** Further things to know, a sentence each. */
  readonly notes: (options: RenderOptions, plan: RulePlan) => readonly string[];
  readonly render: (plan: RulePlan, options: RenderOptions) => string;
}

/** Every name that these rules make begins so: what is ours can be found, and removed. */
export const NAME = 'lms';

export function nameOf(role: Role): string {
  return `${NAME}-${role}`;
}

/** Rules with a number each, so that two of one flow have two names. */
export function numbered<Item>(
  { rules }: RoleRules,
  make: (rule: RoleRules['rules'][number], name: string) => Item,
): readonly Item[] {
  const counts = new Map<string, number>();
  return rules.map((rule) => {
    const count = (counts.get(rule.flow) ?? 0) + 1;
    counts.set(rule.flow, count);
    return make(rule, count === 1 ? rule.flow : `${rule.flow}-${count}`);
  });
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export const noNotes = (): readonly string[] => [];
