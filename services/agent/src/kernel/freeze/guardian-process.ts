/**
 * The guardian: a process of its own that freezes and, whatever happens, thaws (R17).
 *
 * Situation: while file systems are frozen every writer of the machine waits; an agent that is killed, stuck or out of
 * memory meanwhile would hang it for good. Mechanism: this process has its own session and cgroup, is never chosen by
 * the out-of-memory killer, has its memory locked, and does nothing else. It thaws when asked, when the agent's pipe
 * ends, and when the time is up. Special cases: what it cannot have (a cgroup, locked memory) it reports as a
 * shortcoming at its start and goes on without. Failure: the decisions are in `core/guardian.ts`; if this process dies,
 * the agent thaws, and if both die, the next agent does (`freeze-list.ts`).
 *
 * It writes to its pipe and to tmpfs only, and never to its standard error.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import {
  NORMAL_PRIORITY,
  freezeFileSystemAsync,
  lockMemory,
  setProcessPriority,
  thawFileSystemAsync,
} from '@lms/linux';
import { GuardianExecutor } from './guardian-executor.ts';
import { LineReader, type GuardianAnswer, type GuardianRequest } from './guardian-protocol.ts';
import { FreezeMarker, removeFreezeList } from './freeze-list.ts';
import { closeSuperblocks, openSuperblocks, type OpenSuperblock } from './open-mounts.ts';
import { enterOwnCgroup } from './own-cgroup.ts';

let superblocks: readonly OpenSuperblock[] = [];
let marker: FreezeMarker | null = null;
let listPath: string | null = null;

function answer(message: GuardianAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const executor = new GuardianExecutor({
  report: (report, pauseMicroseconds) => answer({ type: 'report', report, pauseMicroseconds }),
  release(opened) {
    closeSuperblocks(opened);
    superblocks = [];
  },
  mark: (mount, mark) => marker?.mark(mount, mark),
  exit() {
    if (listPath !== null) removeFreezeList(listPath);
    process.exit(0);
  },
});

function prepare(request: GuardianRequest & { type: 'prepare' }): void {
  try {
    if (!executor.idle) throw new Error('an earlier freeze has not ended');
    closeSuperblocks(superblocks);
    superblocks = [];
    marker?.close();
    marker = null;
    superblocks = openSuperblocks(request.superblocks);
    marker = new FreezeMarker(request.listPath);
    listPath = request.listPath;
    executor.prepare(superblocks);
    answer({ type: 'prepared' });
  } catch (thrown) {
    answer({ type: 'prepareFailed', reason: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}

function receive(request: GuardianRequest): void {
  switch (request.type) {
    case 'prepare':
      prepare(request);
      return;
    case 'freeze':
      executor.freeze(request.limitMilliseconds);
      return;
    case 'thaw':
      executor.handle({ type: 'thaw' });
      return;
  }
}

/** What this process is to be, and cannot be here. */
function takePrecautions(): string[] {
  const precautions: readonly (readonly [string, () => void])[] = [
    ['its memory is not locked', lockMemory],
    ['the out-of-memory killer may choose it', () => writeFileSync('/proc/self/oom_score_adj', '-1000')],
    ['it has the low priority of the agent', () => setProcessPriority(NORMAL_PRIORITY)],
    ['it is in the cgroup of the agent', enterOwnCgroup],
  ];
  return precautions.flatMap(([shortcoming, take]) => {
    try {
      take();
      return [];
    } catch (thrown) {
      return [`${shortcoming}: ${thrown instanceof Error ? thrown.message : String(thrown)}`];
    }
  });
}

/** Runs the calls once where they fail without doing anything, so that their code is in memory when it is needed. */
async function rehearse(): Promise<void> {
  const fileDescriptor = openSync('/proc', 'r');
  await freezeFileSystemAsync(fileDescriptor, '/proc').catch(() => {});
  await thawFileSystemAsync(fileDescriptor, '/proc').catch(() => {});
  closeSync(fileDescriptor);
}

const reader = new LineReader<GuardianRequest>(receive);
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => reader.push(text));
const agentGone = (): void => executor.handle({ type: 'agentGone' });
process.stdin.on('end', agentGone);
process.stdin.on('error', agentGone);
process.stdout.on('error', agentGone);
// A signal to the agent's service must not leave anything frozen, nor end the guardian before it has thawed.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, agentGone);
// Nothing that is not expected here may end the process while something is frozen.
process.on('uncaughtException', agentGone);

const shortcomings = takePrecautions();
await rehearse();
answer({ type: 'ready', shortcomings });
