/** The findings as a table for people: rule, break, what found it, what it said. */
import { RULES } from './break.ts';
import type { Finding } from './search.ts';

const SAID_CHARACTERS = 110;

export function printFindings(findings: readonly Finding[]): string {
  const order = new Map<string, number>(RULES.map((rule, index) => [rule, index]));
  const sorted = findings.toSorted((first, second) => (order.get(first.rule) ?? 0) - (order.get(second.rule) ?? 0));
  const whatWidth = Math.max(0, ...sorted.map(({ what }) => what.length));
  const whereWidth = Math.max(0, ...sorted.map(({ where }) => where.length));
  return sorted
    .map(({ rule, what, where, said }) =>
      [rule.padEnd(3), what.padEnd(whatWidth), where.padEnd(whereWidth), said.slice(0, SAID_CHARACTERS)].join('  '),
    )
    .join('\n');
}
