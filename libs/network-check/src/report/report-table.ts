/** A report for a person: a line for each step, then what is wrong and what to do. */
import { styleText } from 'node:util';
import type { CheckReport, CheckStep } from '@lms/api';
import { formatTable } from '@lms/command-line';

/** Colours for a terminal, unless somebody does not want them (https://no-color.org). */
export function wantsColours(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (environment['NO_COLOR'] ?? '') === '';
}

const COLOURS = { passed: 'green', warning: 'yellow', failed: 'red', skipped: 'gray' } as const;
const WHO = { agent: 'agent', 'replication-server': 'replication server' } as const;

export function formatReport(report: CheckReport, inColour: boolean): string {
  const { from, to, proxy, steps, failure, result } = report;
  const by = proxy === null ? '' : ` by the proxy ${proxy}`;
  const lines = [`${WHO[from]} → ${to}${by}: ${coloured(result, result, inColour)}`, ''];
  const rows = steps.map(({ name, state, milliseconds, detail }) => [name, state, `${milliseconds} ms`, detail]);
  lines.push(colourStates(formatTable(['STEP', 'STATE', 'TIME', 'DETAIL'], rows), steps, inColour));
  if (failure !== null) {
    const heading = `${failure.step}: ${failure.reason}`;
    lines.push(
      '',
      coloured(result, heading, inColour),
      `  ${failure.message}`,
      '',
      'Likely causes, the likeliest first:',
    );
    failure.causes.forEach((cause, index) => lines.push(`  ${index + 1}. ${cause}`));
    lines.push('', `What to do: ${failure.action}`);
  }
  return lines.join('\n');
}

/** After the table was laid out: codes of colours have a length and no width. */
function colourStates(table: string, steps: readonly CheckStep[], inColour: boolean): string {
  if (!inColour) return table;
  const [head = '', ...rows] = table.split('\n');
  const painted = rows.map((row, index) => {
    const state = steps[index]?.state;
    return state === undefined ? row : row.replace(state, coloured(state, state, true));
  });
  return [head, ...painted].join('\n');
}

function coloured(state: CheckStep['state'], text: string, inColour: boolean): string {
  return inColour ? styleText(COLOURS[state], text, { validateStream: false }) : text;
}
