/** Waiting until nothing is left of a removed machine: the list of its staging objects is the proof. */
import type { MachineRemoval, OperatorApi, StagingObject } from '@lms/api';
import type { Progress } from '@lms/command-line';
import { listAll } from '../listing/pages.ts';
import { pollUntil } from './poll.ts';

/** In one sentence. */
const OBJECTS_TOLD = 5;

/** `machineId`: undefined: of all. */
export function stagingObjects(
  api: OperatorApi,
  machineId: string | undefined,
  signal: AbortSignal,
): Promise<readonly StagingObject[]> {
  const filter = machineId === undefined ? {} : { machineId };
  return listAll(
    (page) => api.stagingObjects({ ...page, ...filter }, signal),
    ({ objects }) => objects,
  );
}

export interface RemovalWait {
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** All that was there since the removal was asked for. */
export async function waitUntilGone(
  api: OperatorApi,
  removal: MachineRemoval,
  wait: RemovalWait,
): Promise<readonly StagingObject[]> {
  const seen = new Map(removal.objects.map((object) => [keyOf(object), object]));
  let left = removal.objects;
  return pollUntil(
    async (signal) => {
      left = [...(await stagingObjects(api, removal.machineId, signal))];
      for (const object of left) seen.set(keyOf(object), object);
      if (left.length === 0) return { done: true, value: [...seen.values()] };
      wait.progress.note(`removing ${removal.name ?? removal.machineId}: ${describe(left)}`);
      return { done: false };
    },
    {
      ...wait,
      describe: () => `${removal.name ?? removal.machineId} is not gone; there is still ${describe(left)}`,
      action: `It goes on. Wait longer with --timeout, or see \`lms machine staging ${removal.machineId}\`.`,
    },
  );
}

function keyOf({ kind, name }: StagingObject): string {
  return `${kind} ${name}`;
}

function describe(objects: readonly StagingObject[]): string {
  const more = objects.length > OBJECTS_TOLD ? ` and ${objects.length - OBJECTS_TOLD} more` : '';
  return `${objects.slice(0, OBJECTS_TOLD).map(keyOf).join(', ')}${more}`;
}
