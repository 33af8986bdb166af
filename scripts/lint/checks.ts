// All checks that need no run of the product. Each one is fast, so that nobody has a reason to leave it out.

import { runCommand } from '../../test/harness/command.ts';
import { checkFileSizes } from './file-sizes.ts';
import { checkForbiddenText } from './forbidden-text.ts';
import { checkGeneratedCode } from './generated-code.ts';
import { checkPackages } from './packages.ts';
import { checkSameCores } from './same-cores/check.ts';
import { readTree } from './tree.ts';

export interface Check {
  readonly name: string;
  /** What a person does about a finding; empty where the findings say it themselves. */
  readonly mend: string;
  /** One string per finding; none is a pass. */
  readonly run: () => Promise<readonly string[]>;
}

function command(program: string, ...parameters: string[]): Check['run'] {
  return async () => {
    const { exitCode, stdout, stderr } = await runCommand(program, parameters);
    return exitCode === 0 ? [] : [`${stdout}${stderr}`];
  };
}

/** All but test/integration: .dependency-cruiser.cjs says why. */
const LAYERED_FOLDERS = ['libs', 'services', 'proto', 'scripts', 'test/!(integration)'];

export const CHECKS: readonly Check[] = [
  { name: 'types', mend: '', run: command('tsc', '--project', '.', '--pretty', 'false') },
  { name: 'rules', mend: '', run: command('oxlint', '--format', 'unix', '--deny-warnings') },
  {
    name: 'layers',
    mend: 'the rules and their reasons stand in .dependency-cruiser.cjs',
    run: command('depcruise', '--config', '.dependency-cruiser.cjs', ...LAYERED_FOLDERS),
  },
  {
    name: 'formatting',
    mend: "run 'make format'",
    run: command('prettier', '--check', '--log-level', 'warn', '.'),
  },
  { name: 'same-cores', mend: '', run: async () => Promise.resolve(checkSameCores()) },
  { name: 'unused', mend: '', run: command('knip', '--no-progress', '--no-config-hints') },
  { name: 'generated-code', mend: '', run: checkGeneratedCode },
  { name: 'file-sizes', mend: '', run: async () => Promise.resolve(checkFileSizes(readTree())) },
  { name: 'forbidden-text', mend: '', run: async () => Promise.resolve(checkForbiddenText(readTree())) },
  { name: 'packages', mend: '', run: async () => Promise.resolve(checkPackages(readTree())) },
];

export interface CheckResult {
  readonly name: string;
  readonly findings: readonly string[];
  readonly seconds: number;
}

/** One after the other: most of them use every core by themselves. */
export async function runChecks(
  checks: readonly Check[],
  report: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const startedAt = performance.now();
    const findings = [...(await check.run())];
    if (findings.length > 0 && check.mend !== '') findings.push(check.mend);
    const result = { name: check.name, findings, seconds: (performance.now() - startedAt) / 1000 };
    report(result);
    results.push(result);
  }
  return results;
}
