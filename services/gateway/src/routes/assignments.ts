/**
 * What a replication server should do: machines (of staging-controller), tasks and settings (of the registry) in one answer.
 *
 * The revision is both of theirs with a dot between, and means nothing to the caller. A wait is a wait for either: who
 * has news first ends the other's wait, and then both are read as they are.
 */
import type { AssignedMachine, AssignmentsAnswer, OperationKind, ReplicationTask } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { AssignedMachine as ProtoAssignedMachine, Operation } from '@lms/proto';
import type { ServiceClients } from '../manager-services.ts';
import { replicationServerSettings } from '../translation/settings.ts';
import { count, optionalCount } from '../translation/values.ts';
import { isCheckOfReplicationServer, replicationServerCheck } from '../translation/network-check.ts';
import { operationKindWords } from '../translation/words.ts';
import type { LongPoll } from './long-poll.ts';

type Clients = Pick<ServiceClients, 'registry' | 'staging'>;

export async function readAssignments(
  clients: Clients,
  replicationServer: string,
  revision: string | null,
  poll: LongPoll,
): Promise<AssignmentsAnswer> {
  const now = await readNow(clients, replicationServer, poll.settings.signal);
  if (revision === null || now.answer.revision !== revision || poll.waitMilliseconds === 0) return now.answer;
  const { waitMilliseconds, settings } = poll;
  const news = new AbortController();
  const waiting = { ...settings, signal: AbortSignal.any([settings.signal, news.signal]) };
  const waits = [
    clients.staging.watchAssignments(
      { replicationServer, afterRevision: now.stagingRevision, waitMilliseconds },
      waiting,
    ),
    clients.registry.watchTasks(
      { machineIds: now.machineIds, replicationServer, afterRevision: now.taskRevision, waitMilliseconds },
      waiting,
    ),
  ];
  try {
    await Promise.race(waits);
  } finally {
    news.abort();
    await Promise.allSettled(waits);
  }
  return (await readNow(clients, replicationServer, settings.signal)).answer;
}

async function readNow(clients: Clients, replicationServer: string, signal: AbortSignal) {
  const staging = await clients.staging.watchAssignments(
    { replicationServer, afterRevision: 0n, waitMilliseconds: 0 },
    { signal },
  );
  const machineIds = staging.machines.map((machine) => machine.machineId);
  const wanted = { machineIds, replicationServer, afterRevision: 0n, waitMilliseconds: 0 };
  const tasks = await clients.registry.watchTasks(wanted, { signal });
  const answer: AssignmentsAnswer = {
    revision: `${staging.revision}.${tasks.revision}`,
    machines: staging.machines.map(assignedMachine),
    removedMachineIds: staging.removedMachineIds,
    tasks: tasks.operations.filter((one) => !isCheckOfReplicationServer(one)).map(replicationTask),
    checks: tasks.operations.filter(isCheckOfReplicationServer).map(replicationServerCheck),
    settings: replicationServerSettings(tasks.settings),
  };
  return { answer, machineIds, stagingRevision: staging.revision, taskRevision: tasks.revision };
}

/** Ids of the machines that a replication server serves: all that it may speak of. */
export async function assignedMachineIds(clients: Clients, replicationServer: string): Promise<ReadonlySet<string>> {
  const request = { replicationServer, afterRevision: 0n, waitMilliseconds: 0 };
  const { machines } = await clients.staging.watchAssignments(request);
  return new Set(machines.map((machine) => machine.machineId));
}

/** PERMISSION_DENIED unless the replication server serves the machine. */
export async function requireAssigned(clients: Clients, replicationServer: string, machineId: string): Promise<void> {
  if ((await assignedMachineIds(clients, replicationServer)).has(machineId)) return;
  throw new LmsError('PERMISSION_DENIED', `machine ${machineId} is not assigned to ${replicationServer}`, {
    action: 'ask for the assignments first',
  });
}

function assignedMachine(machine: ProtoAssignedMachine): AssignedMachine {
  const { machineId, name, retention, floorBytes } = machine;
  return { machineId, name, settings: { retention, floorBytes: optionalCount(floorBytes) } };
}

const TASK_KINDS: Readonly<Partial<Record<OperationKind, ReplicationTask['kind']>>> = {
  verifyPoint: 'verify',
  exportDisk: 'export',
  deletePoint: 'delete',
  pinPoint: 'pin',
  unpinPoint: 'unpin',
};

function replicationTask(operation: Operation): ReplicationTask {
  const word = operationKindWords.requireRest(operation.kind);
  const kind = TASK_KINDS[word];
  if (kind === undefined) throw new LmsError('INTERNAL', `the registry sent a replication server the command ${word}`);
  return {
    id: operation.operationId,
    kind,
    machineId: operation.machineId,
    sequence: count(operation.sequence),
    ...(operation.diskId === '' ? {} : { diskId: operation.diskId }),
    ...(kind === 'export' ? exportedPart(operation) : {}),
    ...(operation.traceparent === '' ? {} : { traceparent: operation.traceparent }),
  };
}

function exportedPart({ checkpointId, offsetBytes, lengthBytes }: Operation) {
  return {
    ...(checkpointId === '' ? {} : { checkpointId }),
    offsetBytes: count(offsetBytes),
    ...(lengthBytes === 0n ? {} : { lengthBytes: count(lengthBytes) }),
  };
}
