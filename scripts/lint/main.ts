// make lint [CHECK=name]

import process from 'node:process';
import { CHECKS, runChecks } from './checks.ts';
import { reportCheck } from './report.ts';

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !CHECKS.some((check) => check.name === name));
if (unknown !== undefined) {
  process.stderr.write(`lint: no check '${unknown}': there are ${CHECKS.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
const results = await runChecks(
  CHECKS.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
  reportCheck,
);
process.exitCode = results.some(({ findings }) => findings.length > 0) ? 1 : 0;
