import type { MachineRemoval, StagingObject } from '@lms/api';
import { formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

type Named = Pick<StagingObject, 'kind' | 'name'>;

/** Of a removal that was waited for: all that was there, and is gone. */
export function removalResult({ machineId, name }: MachineRemoval, removed: readonly Named[]): Result {
  const listed = removed.map(namedOnly);
  return {
    value: { machineId, name, removed: listed },
    names: () => [machineId],
    table: () => withObjects(`${name ?? machineId} (${machineId}) is removed; nothing is left of it`, listed),
  };
}

export function removingResult({ machineId, name, repeated, objects }: MachineRemoval): Result {
  const listed = objects.map(namedOnly);
  const who = `${name ?? machineId} (${machineId})`;
  const gone = `${who} ${repeated ? 'had been removed before' : 'is removed'}; nothing is left of it`;
  return {
    value: { machineId, name, removing: listed },
    names: () => [machineId],
    table: () => (listed.length === 0 ? gone : withObjects(`${who} is being removed; there is still`, listed)),
  };
}

export function stagingResult(objects: readonly StagingObject[]): Result {
  return {
    value: { objects, nextPageToken: null },
    names: () => objects.map(({ kind, name }) => `${kind}/${name}`),
    table: () =>
      formatTable(
        ['MACHINE', 'KIND', 'NAME', 'STATE'],
        objects.map(({ machineId, kind, name, removing }) => [
          machineId ?? 'none',
          kind,
          name,
          removing ? 'being removed' : '',
        ]),
      ),
  };
}

function namedOnly({ kind, name }: Named): Named {
  return { kind, name };
}

function withObjects(sentence: string, objects: readonly Named[]): string {
  if (objects.length === 0) return sentence;
  return `${sentence}:\n\n${formatTable(
    ['KIND', 'NAME'],
    objects.map(({ kind, name }) => [kind, name]),
  )}`;
}
