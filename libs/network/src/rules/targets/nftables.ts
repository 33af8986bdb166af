/**
 * nftables, as one file that replaces what it made before in one step. Two chains of a table of their own hold for the host; with
 * `leave` they are chains of the usual table `inet filter`, to be jumped to: a table of its own could not let through what another
 * one drops.
 */
import type { Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { comments, hostNotes, needsNeighbours, rulesOfHost } from './one-host.ts';
import { NAME, type Target } from './target.ts';

export const NFTABLES: Target = {
  title: 'nftables',
  oneHost: true,
  resolver: { kind: 'given' },
  apply: 'nft --file FILE',
  notes: hostNotes,
  render: (plan, options) => (options.otherTraffic === 'drop' ? ownTable(plan) : chainsToJumpTo(plan)),
};

const NEIGHBOURS = 'nd-neighbor-solicit, nd-neighbor-advert';
const ESTABLISHED = 'ct state established,related accept';

function ownTable(plan: RulePlan): string {
  const table = `inet ${NAME}`;
  return [
    `${comments(plan.notes)}`,
    // Made first, so that there is one to delete.
    `table ${table}\ndelete table ${table}\n`,
    `table ${table} {`,
    ...chain('input', 'ingress', plan),
    '',
    ...chain('output', 'egress', plan),
    '}\n',
  ].join('\n');
}

function chain(hook: 'input' | 'output', direction: Rule['direction'], plan: RulePlan): readonly string[] {
  const ends = hook === 'input' ? 'iif' : 'oif';
  const router = hook === 'input' ? ', nd-router-advert' : ', nd-router-solicit';
  return [
    `  chain ${hook} {`,
    `    type filter hook ${hook} priority filter; policy drop;`,
    `    ${ends} "lo" accept`,
    `    ${ESTABLISHED}`,
    ...(needsNeighbours(plan) ? [`    icmpv6 type { ${NEIGHBOURS}${router} } accept`] : []),
    ...rulesOfHost(plan, direction).map((rule) => `    ${ruleText(rule)}`),
    '  }',
  ];
}

function chainsToJumpTo(plan: RulePlan): string {
  const chains = [
    [`${NAME}-input`, rulesOfHost(plan, 'ingress')],
    [`${NAME}-output`, rulesOfHost(plan, 'egress')],
  ] as const;
  return [
    comments([...plan.notes, `Put before what drops: jump ${NAME}-input, jump ${NAME}-output.`]),
    ...chains.map(([name]) => `add table inet filter\nadd chain inet filter ${name}\nflush chain inet filter ${name}`),
    'table inet filter {',
    ...chains.flatMap(([name, rules]) => [
      `  chain ${name} {`,
      `    ${ESTABLISHED}`,
      ...rules.map((rule) => `    ${ruleText(rule)}`),
      '  }',
    ]),
    '}\n',
  ].join('\n');
}

function ruleText({ flow, direction, protocol, port, family, peers }: Rule): string {
  const addresses = `${family === 4 ? 'ip' : 'ip6'} ${direction === 'ingress' ? 'saddr' : 'daddr'}`;
  const set = peers.map(formatNetwork).join(', ');
  return `${addresses} { ${set} } ${protocol} dport ${port} ct state new accept comment "${flow}"`;
}
