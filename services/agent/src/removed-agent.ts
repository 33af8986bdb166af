/**
 * An agent whose machine was removed: it ends tracking, says once what is next, and waits to be stopped.
 *
 * It does not end by itself: what supervises it would start it again, for ever. And it does not uninstall itself: who
 * removed the machine is at the manager, and the state folder is this host's.
 */
import { toLmsError } from '@lms/errors';
import { removeTraceInstance } from './kernel/index.ts';
import { AgentLog } from './logging/agent-log.ts';
import { describeRemoval } from './state/removal.ts';
import type { Removal } from './state/removal.ts';
import { traceInstanceName } from './state/runtime-names.ts';
import type { StateFolder } from './state/state-folder.ts';

export async function stayRemoved(state: StateFolder, removal: Removal, signal: AbortSignal): Promise<void> {
  const { logger } = new AgentLog();
  try {
    // Its records lead nowhere: the replica is gone.
    removeTraceInstance(traceInstanceName(state.path));
  } catch (thrown) {
    logger.warn(`tracking could not be ended: ${toLmsError(thrown).message}`);
  }
  logger.warn(describeRemoval(removal, state.path));
  if (signal.aborted) return;
  // Nothing else keeps the process.
  const staying = setInterval(() => undefined, 2 ** 31 - 1);
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearInterval(staying);
}
