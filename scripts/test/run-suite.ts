// Runs one jest suite as a process of its own, shows what it says, and keeps that as evidence when it failed.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { readJestResult } from './jest-result.ts';
import type { SuiteCount } from './jest-result.ts';
import type { JestSuite } from './suites.ts';

export const EVIDENCE_FOLDER = '.evidence';
const COMPILE_CACHE_FOLDER = '.tools/compile-cache';

/** After SIGTERM a suite may put away its disks and processes; then it is ended. */
const GRACE_MILLISECONDS = 20_000;

function parametersOf(suite: JestSuite, reportPath: string): string[] {
  return [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--ci',
    '--selectProjects',
    suite.project,
    '--json',
    `--outputFile=${reportPath}`,
    // Modules of earlier test files stay in a worker's memory: above a gigabyte it is five times as slow.
    ...(suite.serial ? ['--runInBand'] : [`--maxWorkers=${suite.workers ?? 2}`, '--workerIdleMemoryLimit=600MB']),
    ...(suite.ignoredPaths.length > 0 ? ['--testPathIgnorePatterns', ...suite.ignoredPaths] : []),
    ...(suite.paths.length > 0 ? ['--testPathPatterns', ...suite.paths] : []),
  ];
}

export async function runSuite(suite: JestSuite): Promise<SuiteCount> {
  mkdirSync(EVIDENCE_FOLDER, { recursive: true });
  const reportPath = join(EVIDENCE_FOLDER, `${suite.name}.json`);
  const logPath = join(EVIDENCE_FOLDER, `${suite.name}.log`);
  rmSync(reportPath, { force: true });

  const log = createWriteStream(logPath);
  const child = spawn(process.execPath, parametersOf(suite, reportPath), {
    // stdout is the JSON report once more; people read stderr.
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      LMS_EVIDENCE: join(process.cwd(), EVIDENCE_FOLDER, suite.name),
      FORCE_COLOR: '0',
      // Tests start our programs some thousand times, and half of what a short command costs is reading its sources anew.
      NODE_COMPILE_CACHE: join(process.cwd(), COMPILE_CACHE_FOLDER),
    },
  });
  const limit = setTimeout(() => {
    process.stderr.write(`${suite.name}: not finished after ${suite.limitMinutes} minutes, ending it\n`);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), GRACE_MILLISECONDS).unref();
  }, suite.limitMinutes * 60_000);
  child.stderr.on('data', (piece: Buffer) => {
    process.stderr.write(piece);
    log.write(piece);
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('close', (exitCode) => resolve(exitCode ?? 1));
  const exitCode = await promise;
  clearTimeout(limit);
  log.end();

  const count = readJestResult(reportPath, process.cwd());
  if (exitCode !== 0 && count.failed === 0)
    return { ...count, failed: 1, failures: [`the test runner ended with exit code ${exitCode}`] };
  if (count.failed === 0) rmSync(logPath, { force: true });
  return count;
}
