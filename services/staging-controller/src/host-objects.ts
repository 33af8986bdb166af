/** What a replication server on this host keeps of machines, as its data folder shows it (its `data-folder.ts`). */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StagingObject } from '@lms/proto';

type HostObject = Omit<StagingObject, 'removing'>;

/** `m-…`: in use; `.removed-m-…-…`: put aside, and being deleted. */
const MACHINE_FOLDER = /^(?:\.removed-)?(m-[0-9a-f]{20})(?:-[0-9a-f]{8})?$/;
/** `.tmp`: left by a kill. */
const FENCING_FILE = /^(m-[0-9a-f]{20})(?:\.tmp)?$/;

/** Read anew at each call: a host has some hundred machines, and what is said to be gone must be gone. */
export function hostObjects(dataDirectory: string, machineId?: string): readonly HostObject[] {
  const objects = [
    ...listed(dataDirectory, 'machines', 'StagingFolder', MACHINE_FOLDER),
    ...listed(dataDirectory, 'fencing', 'FencingGeneration', FENCING_FILE),
  ];
  return machineId === undefined ? objects : objects.filter((object) => object.machineId === machineId);
}

function listed(dataDirectory: string, folder: string, kind: string, form: RegExp): HostObject[] {
  return namesIn(join(dataDirectory, folder)).map((name) => ({
    kind,
    name: `${folder}/${name}`,
    machineId: form.exec(name)?.[1] ?? '',
  }));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}
