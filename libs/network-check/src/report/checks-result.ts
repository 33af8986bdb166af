/** The result of a command that checks. */
import type { CheckReport } from '@lms/api';
import type { Result } from '@lms/command-line';
import { overallResult } from './overall.ts';
import { formatReport, wantsColours } from './report-table.ts';

export interface ChecksResult extends Result {
  readonly passed: boolean;
}

export function checksResult(reports: readonly CheckReport[]): ChecksResult {
  const result = overallResult(reports);
  const inColour = wantsColours(process.stdout, process.env);
  return {
    value: { result, reports },
    passed: result !== 'failed',
    names: () => reports.map((report) => `${report.to}=${report.failure?.reason ?? report.result}`),
    table: () => reports.map((report) => formatReport(report, inColour)).join('\n\n'),
  };
}
