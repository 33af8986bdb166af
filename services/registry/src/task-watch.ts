/** What replication servers are asked to do, and the settings that they have in common, as one answer with one revision. */
import { createHash } from 'node:crypto';
import { ReplicationServerSettings, type Operation, type WatchTasksRequest, type WatchTasksResponse } from '@lms/proto';
import type { Operations } from './operations.ts';
import type { Installation } from './settings/installation.ts';

export interface TaskWatchParts {
  readonly operations: Pick<Operations, 'tasks' | 'waitForTasks'>;
  readonly installation: Pick<Installation, 'forReplicationServers' | 'onChange'>;
}

/** Waits until the answer is another one than that of `afterRevision`. */
export async function watchTasks(
  { operations, installation }: TaskWatchParts,
  { machineIds, replicationServer, afterRevision, waitMilliseconds }: WatchTasksRequest,
  signal: AbortSignal,
): Promise<WatchTasksResponse> {
  const now = (): WatchTasksResponse =>
    answerOf(operations.tasks(machineIds, replicationServer), installation.forReplicationServers());
  if (afterRevision !== 0n) {
    const differs = (): boolean => now().revision !== afterRevision;
    const also = (look: () => void): (() => void) => installation.onChange(look);
    await operations.waitForTasks(machineIds, replicationServer, differs, { waitMilliseconds, signal, also });
  }
  return now();
}

/** The revision is the same for every registry, and never 0. */
function answerOf(operations: Operation[], settings: ReplicationServerSettings): WatchTasksResponse {
  const hash = createHash('sha256').update(ReplicationServerSettings.encode(settings).finish());
  for (const { operationId } of operations) hash.update(`\n${operationId}`);
  return { revision: hash.digest().readBigUInt64LE() | 1n, operations, settings };
}
