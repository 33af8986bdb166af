import type { Diagnosis } from '@lms/api';
import { formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function diagnosisResult(diagnosis: Diagnosis): Result {
  return {
    value: diagnosis,
    names: () =>
      diagnosis.cause === null ? [] : [diagnosis.cause, ...diagnosis.otherCauses.map(({ cause }) => cause)],
    table: () => diagnosisTable(diagnosis),
  };
}

function diagnosisTable({ evidence, otherCauses, sentence }: Diagnosis): string {
  const table = formatTable(
    ['LOOKED AT', 'FOUND', 'WHEN', 'FROM'],
    evidence.map(({ what, found, at, from }) => [what, found, at ?? 'now', from]),
  );
  const then = otherCauses.map((other) => `After that: ${other.sentence}\n`).join('');
  return `${table}\n\n${then}${sentence}`;
}
