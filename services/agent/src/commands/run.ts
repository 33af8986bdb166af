import { runAgentProcess } from '../agent-process.ts';
import { StateFolder } from '../state/state-folder.ts';

export async function runAgent(stateDir: string, signal: AbortSignal): Promise<void> {
  const state = new StateFolder(stateDir);
  // Before the lock: a folder that is not there must not be made by looking for an agent in it.
  await state.identity();
  const lock = state.lock();
  try {
    await runAgentProcess(state, signal);
  } finally {
    lock.release();
  }
}
