// Tables as they stand in docs/scale.md, on stdout; everything else is on stderr.

import { availableParallelism, loadavg } from 'node:os';
import process from 'node:process';

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |\n`;
  process.stdout.write(`\n${line(head)}${line(head.map(() => '---'))}${rows.map(line).join('')}`);
}

/** Others at work on the same processors make everything slower, and processor time a little longer. */
export function sayHowBusy(): void {
  say(`${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}: with others at work, figures are worse`);
}

/** Three digits that mean something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return 'not measured';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}
