/**
 * iptables-restore and ip6tables-restore, in one file: each of the two passes over the lines that the other's mark stands
 * before. Chains of others are not touched, so it is read with --noflush.
 */
import type { Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { comments, hostNotes, needsNeighbours, rulesOfHost } from './one-host.ts';
import type { RenderOptions, Target } from './target.ts';

export const IPTABLES: Target = {
  title: 'iptables and ip6tables',
  oneHost: true,
  resolver: { kind: 'given' },
  apply: 'iptables-restore --noflush FILE && ip6tables-restore --noflush FILE',
  notes: hostNotes,
  render: renderIptables,
};

const INPUT = 'LMS-INPUT';
const OUTPUT = 'LMS-OUTPUT';
const NEIGHBOURS = [135, 136];
const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;

function renderIptables(plan: RulePlan, { otherTraffic }: RenderOptions): string {
  const whole = otherTraffic === 'drop';
  const lines = [
    '*filter',
    ...(whole ? [':INPUT DROP [0:0]', ':OUTPUT DROP [0:0]'] : []),
    // Declaring a chain empties it.
    `:${INPUT} - [0:0]`,
    `:${OUTPUT} - [0:0]`,
    ...(whole ? ['-F INPUT', '-F OUTPUT', `-A INPUT -j ${INPUT}`, `-A OUTPUT -j ${OUTPUT}`] : []),
    ...(whole ? [`-A ${INPUT} -i lo -j ACCEPT`, `-A ${OUTPUT} -o lo -j ACCEPT`] : []),
    ...[INPUT, OUTPUT].map((chain) => `-A ${chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`),
    ...(whole && needsNeighbours(plan) ? neighbours() : []),
    ...rulesOfHost(plan, 'ingress').flatMap((rule) => ruleLines(INPUT, rule)),
    ...rulesOfHost(plan, 'egress').flatMap((rule) => ruleLines(OUTPUT, rule)),
    'COMMIT\n',
  ];
  const jump = whole ? [] : [`Put before what drops: -j ${INPUT}, -j ${OUTPUT}.`];
  return `${comments([...plan.notes, ...jump])}${lines.join('\n')}`;
}

function neighbours(): readonly string[] {
  const line = (chain: string, type: number): string => `-6 -A ${chain} -p ipv6-icmp --icmpv6-type ${type} -j ACCEPT`;
  return [
    ...[...NEIGHBOURS, ROUTER_ADVERTISEMENT].map((type) => line(INPUT, type)),
    ...[...NEIGHBOURS, ROUTER_SOLICITATION].map((type) => line(OUTPUT, type)),
  ];
}

function ruleLines(chain: string, { flow, direction, protocol, port, family, peers }: Rule): readonly string[] {
  const end = direction === 'ingress' ? '-s' : '-d';
  return peers.map((peer) =>
    [
      `-${family} -A ${chain} ${end} ${formatNetwork(peer)} -p ${protocol} -m ${protocol} --dport ${port}`,
      `-m conntrack --ctstate NEW -m comment --comment ${flow} -j ACCEPT`,
    ].join(' '),
  );
}
