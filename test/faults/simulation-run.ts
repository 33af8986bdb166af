/**
 * Runs histories in a copy of the source, by the very command of `make simulate`.
 *
 * Red is only what the oracle says: its violations come as one line that begins with a rule (or `liveness`), directly
 * followed by the line that says how to replay it. Any other error comes with its stack in between, and is a crash.
 */
import process from 'node:process';
import { runCommand } from '../harness/command.ts';
import type { SourceCopy } from './source-copy.ts';
import { endOf, type Verdict } from './verdict.ts';

const VIOLATION = /^seed (?<seed>\d+): (?<said>(?:R\d+|liveness): .*)\nreplay with: /m;
const FAILURE = /^seed (?<seed>\d+): /m;
/** All seeds of `make test` take a minute alone. */
const LIMIT_MILLISECONDS = 600_000;

export async function simulate(copy: SourceCopy, first: number, count: number, signal: AbortSignal): Promise<Verdict> {
  let crash: Verdict | null = null;
  for (let seed = first; seed < first + count;) {
    const { exitCode, stdout, stderr } = await runCommand(process.execPath, ['test/simulation/main.ts'], {
      folder: copy.folder,
      environment: { SEED: '', FIRST_SEED: String(seed), SEEDS: String(first + count - seed), PARTIAL: '1' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MILLISECONDS)]),
    });
    if (exitCode === 0 && /^\d+ histories in /m.test(stdout)) return crash ?? { type: 'green' };
    const violation = VIOLATION.exec(stdout)?.groups;
    if (violation !== undefined) {
      return { type: 'red', where: `seed ${violation['seed']}`, said: violation['said'] ?? '' };
    }
    crash ??= { type: 'broken', output: endOf(`${stdout}${stderr}`) };
    const failed = FAILURE.exec(stdout)?.groups?.['seed'];
    if (failed === undefined) return crash;
    // A break may crash one history, and be seen by the oracle in another.
    seed = Number(failed) + 1;
  }
  return crash ?? { type: 'green' };
}
