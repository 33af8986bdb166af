/**
 * Leaves nothing behind: the kernel's instance (which outlives `run` on purpose), the folder below `/run`, the state folder,
 * and, where the install script has put this agent here, its unit, its packages and its command.
 * Each is removed if it is there, so a second call, or one after a crash in the middle, does the rest.
 */
import { existsSync } from 'node:fs';
import { withExit } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { removeLeftInstances } from '../bandwidth/own-instance.ts';
import { findInstallation, removeInstallation, stopInstalledAgent } from '../installation.ts';
import { removeRuntimeFolder, removeTraceInstance } from '../kernel/index.ts';
import { runtimeId, traceInstanceName } from '../state/runtime-names.ts';
import { StateFolder } from '../state/state-folder.ts';

export async function runUninstall(stateDir: string): Promise<Result> {
  const state = new StateFolder(stateDir);
  const installation = findInstallation(stateDir);
  if (installation !== null) await stopInstalledAgent(installation);
  // An agent that runs holds the folder; where there is no folder, no agent runs.
  const lock = existsSync(state.path) ? state.lock() : null;
  const removed: string[] = [];
  try {
    removed.push(...removeLeftInstances());
    removed.push(...removeTraceInstance(traceInstanceName(state.path)));
    removed.push(...(await removeRuntimeFolder(runtimeId(state.path))));
    removed.push(...(await state.remove()));
    if (installation !== null) removed.push(...(await removeInstallation(installation)));
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
