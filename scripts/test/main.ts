// make test [SUITE="unit simulation"]
//
// Runs everything, whatever failed before, and closes with one line that counts it all: `N passed, N failed`.

import process from 'node:process';
import { CHECKS, runChecks } from '../lint/checks.ts';
import { reportCheck } from '../lint/report.ts';
import type { SuiteCount } from './jest-result.ts';
import { EVIDENCE_FOLDER, runSuite } from './run-suite.ts';
import { JEST_SUITES } from './suites.ts';

interface Run {
  readonly name: string;
  readonly onDemand: boolean;
  readonly run: () => Promise<SuiteCount>;
}

async function lint(): Promise<SuiteCount> {
  const results = await runChecks(CHECKS, reportCheck);
  const failed = results.filter(({ findings }) => findings.length > 0);
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    failures: failed.map(({ name }) => `${name} (make lint CHECK=${name})`),
  };
}

const runs: readonly Run[] = [
  { name: 'lint', onDemand: false, run: lint },
  ...JEST_SUITES.map((suite) => ({
    name: suite.name,
    onDemand: suite.onDemand ?? false,
    run: async () => runSuite(suite),
  })),
];

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !runs.some((run) => run.name === name));
if (unknown !== undefined) {
  process.stderr.write(`test: no suite '${unknown}': there are ${runs.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

const lines: string[] = [];
const failures: string[] = [];
let passed = 0;
let failed = 0;
for (const { name, onDemand, run } of runs) {
  if (wanted.length > 0 ? !wanted.includes(name) : onDemand) continue;
  process.stdout.write(`\n== ${name}\n`);
  const startedAt = performance.now();
  const count = await run();
  const seconds = (performance.now() - startedAt) / 1000;
  passed += count.passed;
  failed += count.failed;
  lines.push(
    `${name.padEnd(12)} ${String(count.passed).padStart(6)} passed ${String(count.failed).padStart(4)} failed ${seconds.toFixed(0).padStart(6)} s`,
  );
  failures.push(...count.failures.map((failure) => `${name}: ${failure}`));
}

process.stdout.write(`\n${lines.join('\n')}\n`);
if (failures.length > 0) process.stdout.write(`\nFailed (evidence in ${EVIDENCE_FOLDER}/):\n${failures.join('\n')}\n`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
