// What jest's own JSON report says, reduced to what the summary counts.

import { readFileSync, rmSync } from 'node:fs';

export interface SuiteCount {
  readonly passed: number;
  readonly failed: number;
  /** One line per failure, for the end of the log. */
  readonly failures: readonly string[];
}

interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** A suite that never wrote its report, or ran no test, has failed: an empty run is no proof. */
export function readJestResult(path: string, root: string): SuiteCount {
  let report: JestReport;
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as JestReport;
  } catch {
    return { passed: 0, failed: 1, failures: ['the test runner ended without a report'] };
  } finally {
    rmSync(path, { force: true });
  }
  const failures: string[] = [];
  for (const { name, status, assertionResults } of report.testResults) {
    const file = name.replace(`${root}/`, '');
    const failed = assertionResults.filter((assertion) => assertion.status !== 'passed');
    // Such a file could not even be loaded.
    if (status === 'failed' && failed.length === 0) failures.push(`${file}: the file failed as a whole`);
    for (const { status: outcome, fullName } of failed) failures.push(`${file}: ${fullName} (${outcome})`);
  }
  if (report.numPassedTests + failures.length === 0) failures.push('no test ran');
  return { passed: report.numPassedTests, failed: failures.length, failures };
}
