import { expect, test } from '@jest/globals';
import type { CheckReport, CheckTarget } from '@lms/api';
import { overallResult } from './overall.ts';

const report = (target: CheckTarget, result: CheckReport['result']) => ({ target, result }) as CheckReport;

test.each<[CheckReport['result'], [CheckTarget, CheckReport['result']][]]>([
  [
    'passed',
    [
      ['443', 'passed'],
      ['1500', 'passed'],
    ],
  ],
  [
    'failed',
    [
      ['443', 'failed'],
      ['1500', 'passed'],
    ],
  ],
  [
    'warning',
    [
      ['443', 'warning'],
      ['1500', 'passed'],
    ],
  ],
  [
    'warning',
    [
      ['1500', 'failed'],
      ['1500', 'passed'],
    ],
  ],
  [
    'failed',
    [
      ['1500', 'failed'],
      ['1500', 'failed'],
    ],
  ],
])('%s, when the reports are %j', (expected, reports) => {
  expect(overallResult(reports.map(([target, result]) => report(target, result)))).toBe(expected);
});
