/**
 * Leaves nothing behind: the kernel's instance (which outlives `run` on purpose), the folder below `/run`, the state folder.
 * Each is removed if it is there, so a second call, or one after a crash in the middle, does the rest.
 */
import { existsSync } from 'node:fs';
import { withExit } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { removeLeftInstances } from '../bandwidth/own-instance.ts';
import { removeRuntimeFolder, removeTraceInstance } from '../kernel/index.ts';
import { runtimeId, traceInstanceName } from '../state/runtime-names.ts';
import { StateFolder } from '../state/state-folder.ts';

export async function runUninstall(stateDir: string): Promise<Result> {
  const state = new StateFolder(stateDir);
  // An agent that runs holds the folder; where there is no folder, no agent runs.
  const lock = existsSync(state.path) ? state.lock() : null;
  const removed: string[] = [];
  try {
    removed.push(...removeLeftInstances());
    removed.push(...removeTraceInstance(traceInstanceName(state.path)));
    removed.push(...(await removeRuntimeFolder(runtimeId(state.path))));
    removed.push(...(await state.remove()));
  } catch (thrown) {
    throw withExit('failed', thrown, 'the agent could not be removed', 'Mend that, and run uninstall again.');
  } finally {
    lock?.release();
  }
  return {
    value: { removed },
    names: () => removed,
    table: () =>
      removed.length === 0
        ? 'nothing was there to be removed'
        : ['removed:', ...removed.map((item) => `  ${item}`)].join('\n'),
  };
}
