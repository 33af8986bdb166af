/**
 * The data folder of one replication server, and the lock that lets only one process use it:
 *
 *     lock                  flock, held while the process lives
 *     identity/             key, certificate, the manager's CA (mode 0600)
 *     assignments.json      the last that the manager said, for a start while it is away
 *     exports.json          exports under way or broken off: their points stay
 *     proxy.json            the proxy to the manager that the Replication Settings name (mode 0600)
 *     fencing/<machine>     R11
 *     machines/<machine>/   one staging store each; .removed-…: of a removed machine, being deleted
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LmsError } from '@lms/errors';
import { fsyncFolder, tryLockFile } from '@lms/linux';
import type { FileLock } from '@lms/linux';

export interface DataFolder {
  readonly path: string;
  readonly identityFolder: string;
  readonly assignmentsFile: string;
  readonly exportsFile: string;
  readonly proxyFile: string;
  readonly fencingFolder: string;
  readonly machinesFolder: string;
  machineFolder(machineId: string): string;
  readonly lock: FileLock;
}

export async function openDataFolder(path: string): Promise<DataFolder> {
  const machinesFolder = join(path, 'machines');
  await mkdir(machinesFolder, { recursive: true, mode: 0o700 });
  // R12: what will be durable in these folders must not lose the folders themselves.
  await fsyncFolder(path);
  await fsyncFolder(dirname(path));
  const attempt = tryLockFile(join(path, 'lock'));
  if (!attempt.held) {
    const holder = attempt.holder === null ? 'another process' : `process ${attempt.holder}`;
    throw new LmsError('FAILED_PRECONDITION', `The data folder ${path} is in use by ${holder}`, {
      action: 'Stop that process first, or give this one a data folder of its own.',
    });
  }
  return {
    path,
    identityFolder: join(path, 'identity'),
    assignmentsFile: join(path, 'assignments.json'),
    exportsFile: join(path, 'exports.json'),
    proxyFile: join(path, 'proxy.json'),
    fencingFolder: join(path, 'fencing'),
    machinesFolder,
    machineFolder: (machineId) => join(machinesFolder, machineId),
    lock: attempt.lock,
  };
}
