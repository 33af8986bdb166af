import type { InitiationReport, LogsAnswer, Machine } from '@lms/api';
import { formatBytes, formatDurationSeconds, formatFields, formatOptional, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function machineListResult(machines: readonly Machine[]): Result {
  return {
    value: { machines, nextPageToken: null },
    names: () => machines.map((machine) => machine.id),
    table: () =>
      formatTable(
        ['ID', 'NAME', 'REPLICATION', 'LIFECYCLE', 'LAG', 'BACKLOG', 'LAST POINT', 'AGENT'],
        machines.map((machine) => [
          machine.id,
          machine.name,
          stateOf(machine),
          formatOptional(machine.lifecycleState),
          formatDurationSeconds(machine.lagSeconds),
          formatBytes(machine.backlogBytes),
          machine.lastPoint === null ? 'none' : String(machine.lastPoint.sequence),
          machine.agent.connected ? 'connected' : 'not connected',
        ]),
      ),
  };
}

export function machineResult(machine: Machine): Result {
  return { value: machine, names: () => [machine.id], table: () => machineTable(machine) };
}

function machineTable(machine: Machine): string {
  const { lastPoint, agent } = machine;
  const fields: (readonly [string, string])[] = [
    ['id', machine.id],
    ['name', machine.name],
    ['replication', stateOf(machine)],
    ['lifecycle', formatOptional(machine.lifecycleState)],
    ['lag', formatDurationSeconds(machine.lagSeconds)],
    ['backlog', formatBytes(machine.backlogBytes)],
    [
      'last point',
      lastPoint === null ? 'none' : `${lastPoint.sequence} (${lastPoint.consistency}, ${lastPoint.createdAt})`,
    ],
    [
      'agent',
      `${formatOptional(agent.version)}, ${agent.connected ? 'connected' : 'not connected'}, last seen ${formatOptional(agent.lastSeenAt)}`,
    ],
  ];
  if (machine.detail !== null) fields.push(['detail', machine.detail]);
  const disks = formatTable(
    ['DISK', 'DEVICE', 'SIZE', 'REPLICATED', 'BACKLOG', 'TRACKER'],
    machine.disks.map((disk) => [
      disk.id,
      disk.device,
      formatBytes(disk.sizeBytes),
      disk.replicatedBytes === null || disk.sizeBytes === 0
        ? 'unknown'
        : `${formatBytes(disk.replicatedBytes)} (${Math.floor((disk.replicatedBytes / disk.sizeBytes) * 100)} %)`,
      formatBytes(disk.backlogBytes),
      formatOptional(disk.tracker),
    ]),
  );
  return `${formatFields(fields)}\n\n${disks}`;
}

function stateOf({ replicationState, stallCause }: Machine): string {
  const state = formatOptional(replicationState);
  return stallCause === null ? state : `${state} (${stallCause})`;
}

export function initiationResult({ steps }: InitiationReport): Result {
  return {
    value: { steps },
    names: () => steps.map(({ step, state }) => `${step}=${state}`),
    table: () =>
      formatTable(
        ['STEP', 'STATE', 'CHANGED', 'ERROR', 'NEXT ATTEMPT'],
        steps.map(({ step, state, changedAt, error, nextAttemptAt }) => [
          step,
          state,
          changedAt ?? '',
          error ?? '',
          nextAttemptAt ?? '',
        ]),
      ),
  };
}

export function logsResult({ records }: LogsAnswer): Result {
  return {
    value: { records },
    names: () => records.map((record) => record.message),
    table: () =>
      formatTable(
        ['TIME', 'LEVEL', 'SOURCE', 'MESSAGE'],
        records.map(({ at, level, source, message }) => [at, level, source, message]),
      ),
  };
}
