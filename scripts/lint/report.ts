import process from 'node:process';
import type { CheckResult } from './checks.ts';

export function reportCheck({ name, findings, seconds }: CheckResult): void {
  process.stdout.write(`lint ${name.padEnd(15)} ${findings.length === 0 ? 'ok' : 'FAILED'} ${seconds.toFixed(1)} s\n`);
  for (const finding of findings) process.stdout.write(`${finding.trimEnd()}\n`);
}
