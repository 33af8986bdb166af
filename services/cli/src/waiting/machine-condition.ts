/** `lms machine wait --for …`: what can be waited for, and the waiting. */
import { LIFECYCLE_STATES, REPLICATION_STATES } from '@lms/api';
import type { LifecycleState, Machine, OperatorApi, ReplicationState } from '@lms/api';
import { formatBytes } from '@lms/command-line';
import type { Progress } from '@lms/command-line';
import { InvalidArgumentError } from 'commander';
import { pollUntil } from './poll.ts';

export type MachineCondition =
  | { readonly kind: 'replication'; readonly state: ReplicationState }
  | { readonly kind: 'lifecycle'; readonly state: LifecycleState }
  | { readonly kind: 'point'; readonly sequence: number };

export function parseMachineCondition(text: string): MachineCondition {
  const [kind, value, ...rest] = text.split('=');
  if (value === undefined || rest.length > 0) throw notACondition();
  if (kind === 'replication') return { kind, state: oneOf(REPLICATION_STATES, value) };
  if (kind === 'lifecycle') return { kind, state: oneOf(LIFECYCLE_STATES, value) };
  if (kind === 'point' && /^[1-9]\d{0,14}$/.test(value)) return { kind, sequence: Number(value) };
  throw notACondition();
}

function oneOf<Word extends string>(words: readonly Word[], value: string): Word {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw new InvalidArgumentError(`One of ${words.join(', ')} is needed.`);
  return word;
}

function notACondition(): InvalidArgumentError {
  return new InvalidArgumentError('replication=STATE, lifecycle=STATE or point=SEQUENCE is needed.');
}

export function conditionHolds(condition: MachineCondition, machine: Machine): boolean {
  if (condition.kind === 'replication') return machine.replicationState === condition.state;
  if (condition.kind === 'lifecycle') return machine.lifecycleState === condition.state;
  return machine.lastPoint !== null && machine.lastPoint.sequence >= condition.sequence;
}

export interface MachineWait {
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export async function waitForMachine(
  api: OperatorApi,
  idOrName: string,
  condition: MachineCondition,
  wait: MachineWait,
): Promise<Machine> {
  let seen: Machine | null = null;
  return pollUntil(
    async (signal) => {
      seen = await api.machine(idOrName, signal);
      if (conditionHolds(condition, seen)) return { done: true, value: seen };
      showProgress(wait.progress, seen);
      return { done: false };
    },
    { ...wait, describe: () => describeWait(condition, idOrName, seen) },
  );
}

function describeWait(condition: MachineCondition, idOrName: string, seen: Machine | null): string {
  const wanted = condition.kind === 'point' ? `point=${condition.sequence}` : `${condition.kind}=${condition.state}`;
  if (seen === null) return `${idOrName} is not at ${wanted}`;
  const facts = [
    `replication ${seen.replicationState ?? 'unknown'}${seen.stallCause === null ? '' : ` (${seen.stallCause})`}`,
    `lifecycle ${seen.lifecycleState ?? 'unknown'}`,
    `backlog ${formatBytes(seen.backlogBytes)}`,
    `last point ${seen.lastPoint?.sequence ?? 'none'}`,
  ];
  const detail = seen.detail === null ? '' : `; ${seen.detail}`;
  return `${idOrName} is not at ${wanted}, but at ${facts.join(', ')}${detail}`;
}

function showProgress(progress: Progress, machine: Machine): void {
  const totalBytes = machine.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const known = machine.disks.every((disk) => disk.replicatedBytes !== null);
  const label = machine.replicationState ?? 'unknown';
  if (!known || totalBytes === 0) progress.note(label);
  else
    progress.show(
      label,
      machine.disks.reduce((sum, disk) => sum + (disk.replicatedBytes ?? 0), 0),
      totalBytes,
    );
}
