/**
 * `node test/simulation/main.ts`: runs histories, `SEEDS=n` of them from `FIRST_SEED` (default 1) on, or the one of `SEED=n`.
 *
 * `KEEP_GOING=1` goes on after a failure, `VERBOSE=1` names every history, `PARTIAL=1` asks for no pair.
 *
 * Prints how often each fault struck in which step; fails when a history breaks a rule, or when a required pair of fault
 * and step never happened in the whole run.
 */
import { FaultTable } from './faults.ts';
import { History, type HistoryResult } from './scenario/history.ts';

const DEFAULT_SEEDS = 150;
const TRACE_LINES_SHOWN = 120;

function numberOf(name: string): number | null {
  const value = process.env[name];
  if (value === undefined || value === '') return null;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${name} must be a whole number, not "${value}"`);
  return number;
}

function report(result: HistoryResult): void {
  console.log(result.trace.slice(-TRACE_LINES_SHOWN).join('\n'));
  console.log(`seed ${result.seed}: ${result.failure?.message}`);
  if (result.failure?.name !== 'OracleViolation') console.log(result.failure?.stack);
  console.log(`replay with: SEED=${result.seed} node test/simulation/main.ts`);
}

const only = numberOf('SEED');
const first = only ?? numberOf('FIRST_SEED') ?? 1;
const count = only === null ? (numberOf('SEEDS') ?? DEFAULT_SEEDS) : 1;
const keepGoing = process.env['KEEP_GOING'] === '1';
const faults = new FaultTable();
const sums = { histories: 0, failed: 0, events: 0, points: 0, blocks: 0, virtualSeconds: 0 };
const began = performance.now();

for (let seed = first; seed < first + count; seed++) {
  const started = performance.now();
  const result = await new History(seed).run();
  faults.merge(result.faults);
  sums.histories++;
  sums.events += result.eventsRun;
  sums.points += result.pointsChecked;
  sums.blocks += result.blocksChecked;
  sums.virtualSeconds += result.virtualSeconds;
  if (process.env['VERBOSE'] === '1') {
    const milliseconds = (performance.now() - started).toFixed(0);
    console.log(
      `seed ${seed}: ${result.story}, ${result.eventsRun} events, digest ${result.digest}, ${milliseconds} ms`,
    );
  }
  if (result.failure === null) continue;
  sums.failed++;
  if (keepGoing) console.log(`seed ${seed}: ${result.failure.message.slice(0, 300)}`);
  else {
    report(result);
    break;
  }
}

const seconds = (performance.now() - began) / 1000;
console.log(faults.print());
console.log(
  `${sums.histories} histories in ${seconds.toFixed(1)} s (${(sums.histories / seconds).toFixed(1)} a second), ` +
    `${Math.round(sums.virtualSeconds / 60)} virtual minutes, ${sums.events} events, ` +
    `${sums.points} points in time checked (${sums.blocks} blocks)`,
);
if (sums.failed > 0) process.exitCode = 1;
else if (only === null && process.env['PARTIAL'] !== '1') {
  const missing = faults.missing();
  if (missing.length > 0) {
    console.log(`never happened: ${missing.join(', ')}`);
    process.exitCode = 1;
  }
}
