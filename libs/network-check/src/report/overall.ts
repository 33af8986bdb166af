/** What several reports come to. */
import type { CheckReport } from '@lms/api';

/**
 * A host needs one of the addresses of 1500, and 443: of each target the best report counts, and of the targets the worst. An address
 * that does not work beside one that does is worth a warning.
 */
export function overallResult(reports: readonly CheckReport[]): CheckReport['result'] {
  const targets = [...new Set(reports.map(({ target }) => target))];
  const results = targets.map((target) => bestOf(reports.filter((report) => report.target === target)));
  if (results.includes('failed')) return 'failed';
  return results.includes('warning') ? 'warning' : 'passed';
}

function bestOf(reports: readonly CheckReport[]): CheckReport['result'] {
  const results = reports.map(({ result }) => result);
  if (results.every((result) => result === 'failed')) return 'failed';
  return results.every((result) => result === 'passed') ? 'passed' : 'warning';
}
