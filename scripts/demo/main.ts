// make demo: a real disk under a real load becomes a bit-exact replica, and everything is put away afterwards.
//
// Ctrl-C, a failure and the end of the story all go the same way: what was made is unmade in reverse order.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Cleanup } from '../../test/harness/cleanup.ts';
import { Narrator } from './narrator.ts';
import { tellStory } from './story.ts';

const INTERRUPTED_EXIT_CODE = 130;

const narrator = new Narrator();
const cleanup = new Cleanup();
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (interruption.signal.aborted) return;
    narrator.step(`${signal}: putting everything away`);
    interruption.abort();
  });

if (process.getuid?.() !== 0) {
  process.stderr.write('demo: needs root (loop devices, mounts, tracefs): run it as root\n');
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'lms-demo-'));
let failure: Error | null = null;
try {
  await tellStory({ folder, cleanup, narrator, signal: interruption.signal });
} catch (error) {
  failure = error instanceof Error ? error : new Error(String(error));
}

const interrupted = interruption.signal.aborted;
if (failure !== null && !interrupted) process.stderr.write(`\ndemo: ${failure.message}\n`);
const problems = await cleanup.run();
for (const problem of problems) process.stderr.write(`demo: clean-up: ${problem}\n`);

const kept = failure !== null && !interrupted;
if (kept) process.stderr.write(`demo: logs and images are kept in ${folder}\n`);
else rmSync(folder, { recursive: true, force: true });
if (problems.length === 0) narrator.detail('Nothing is left: no process, no loop device, no mount, no trace instance.');

if (interrupted) process.exitCode = INTERRUPTED_EXIT_CODE;
else process.exitCode = failure === null && problems.length === 0 ? 0 : 1;
