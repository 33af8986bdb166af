/** Runs one test file in a copy of the source. Red is a test that failed; a file that cannot be loaded is a crash. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { runCommand } from '../harness/command.ts';
import type { SourceCopy } from './source-copy.ts';
import { endOf, type Verdict } from './verdict.ts';

const LIMIT_MILLISECONDS = 300_000;

interface JestReport {
  readonly numPassedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

export async function runTest(copy: SourceCopy, path: string, signal: AbortSignal): Promise<Verdict> {
  const reportPath = join(copy.folder, 'report.json');
  const parameters = [
    ...['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--ci', '--runInBand'],
    ...['--cacheDirectory', join(copy.folder, '.jest'), '--json', `--outputFile=${reportPath}`],
    ...['--selectProjects', path.startsWith('test/') ? 'integration' : 'unit', '--runTestsByPath', path],
  ];
  const { stdout, stderr } = await runCommand(process.execPath, parameters, {
    folder: copy.folder,
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MILLISECONDS)]),
  });
  const report = readReport(reportPath);
  const broken: Verdict = { type: 'broken', output: endOf(`${stderr}${report === null ? stdout : ''}`) };
  if (report === null || report.numRuntimeErrorTestSuites > 0) return broken;
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ title }) => title),
  );
  if (failed[0] !== undefined) return { type: 'red', where: path, said: failed[0] };
  return report.numPassedTests > 0 ? { type: 'green' } : broken;
}

function readReport(path: string): JestReport | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as JestReport;
  } catch {
    return null;
  }
}
