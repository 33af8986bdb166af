/** What nftables and iptables have in common: one host, whatever roles it has. */
import type { Rule, RulePlan } from '../model.ts';
import type { OtherTraffic, RenderOptions } from './target.ts';

export function rulesOfHost({ roles }: RulePlan, direction: Rule['direction']): readonly Rule[] {
  return roles.flatMap(({ rules }) => rules).filter((rule) => rule.direction === direction);
}

/** Without them no packet of IPv6 finds its way. */
export function needsNeighbours({ roles }: RulePlan): boolean {
  return roles.some(({ rules }) => rules.some(({ family }) => family === 6));
}

const SAID: Readonly<Record<OtherTraffic, string>> = {
  drop:
    'Everything else that this host sends or is sent is dropped: also ssh that is not connected yet, and DHCP. ' +
    '--other-traffic leave writes what has to be let through, and nothing more.',
  leave: 'Nothing holds until the chains are jumped to from those that filter on this host.',
};

export function hostNotes({ otherTraffic }: RenderOptions): readonly string[] {
  return [SAID[otherTraffic]];
}

export function comments(lines: readonly string[]): string {
  return lines.map((line) => `# ${line}\n`).join('');
}
