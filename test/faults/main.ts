/** `node test/faults/main.ts [R5 …]`: tries the breaks of these rules (of all, without any), and prints what found each. */
import process from 'node:process';
import type { Break } from './break.ts';
import { BREAKS } from './breaks/index.ts';
import { Search, type Finding } from './search.ts';
import { printFindings } from './table.ts';

async function tryBreak(search: Search, broken: Break): Promise<Finding | null> {
  try {
    const finding = await search.find(broken);
    console.log(`found: ${finding.rule} ${finding.what} (${finding.where})`);
    return finding;
  } catch (error) {
    console.log(`not found: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

async function main(wanted: readonly string[]): Promise<boolean> {
  const chosen = BREAKS.filter(
    ({ rule, what }) => wanted.length === 0 || wanted.includes(rule) || wanted.includes(what),
  );
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)));
  }
  const search = new Search(ended.signal);
  const results = await Promise.all(chosen.map((broken) => tryBreak(search, broken)));
  search[Symbol.dispose]();
  const findings = results.filter((finding) => finding !== null);
  console.log(`\n${printFindings(findings)}\n\n${findings.length} of ${chosen.length} breaks found`);
  return chosen.length > 0 && findings.length === chosen.length;
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
