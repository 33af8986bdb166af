/**
 * The manager's folder, held by one manager at a time.
 *
 *     DIR/lock              flock of the running manager, with its pid for people
 *     DIR/operator.json     0600: manager URL, CA, API token
 *     DIR/ca/               the CA that agents and replication servers are signed by
 *     DIR/nats/             nats-server: configuration, password, lock, log, JetStream's store
 *     DIR/replication-server/   the replication server: its identity, and the staging disks
 *     DIR/agent-packages/   only where the folder of the sources cannot be written to: the agent, as machines load it
 */
import { mkdir, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError, toLmsError } from '@lms/errors';
import { tryLockFile, type FileLock } from '@lms/linux';

export interface DataFolder {
  readonly path: string;
  readonly caDirectory: string;
  readonly natsDirectory: string;
  readonly replicationServerDirectory: string;
  readonly operatorFile: string;
  readonly lock: FileLock;
}

/** FAILED_PRECONDITION when another manager holds it. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = {
    path,
    caDirectory: join(path, 'ca'),
    natsDirectory: join(path, 'nats'),
    replicationServerDirectory: join(path, 'replication-server'),
    operatorFile: join(path, 'operator.json'),
  };
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
    for (const child of [folder.caDirectory, folder.natsDirectory, folder.replicationServerDirectory]) {
      await mkdir(child, { recursive: true, mode: 0o700 });
    }
  } catch (thrown) {
    const { code, message } = toLmsError(thrown);
    throw new LmsError(code, `the data folder ${path} cannot be used: ${message}`, {
      action: 'Name a folder that this user may write to.',
      cause: thrown,
    });
  }
  const attempt = tryLockFile(join(path, 'lock'));
  if (attempt.held) return { ...folder, lock: attempt.lock };
  const holder = attempt.holder === null ? 'another process' : `process ${attempt.holder}`;
  throw new LmsError('FAILED_PRECONDITION', `the data folder ${path} is held by ${holder}`, {
    action: 'Stop that manager first, or name another folder.',
  });
}
