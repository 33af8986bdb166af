/** Each step looks at one thing, from inside the cluster; it returns one sentence, or fails with one. */
import { once } from 'node:events';
import { mkdir, open, readFile, rename, rm, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { OperatorApi } from '@lms/api';
import { LmsError } from '@lms/errors';
import { EventConnection, type EventsOptions } from '@lms/events';

const PROBE_BYTES = 4 * 1024 * 1024;

/** 443: TLS under the manager's CA, the operator's token, and every component's own word. */
export async function checkManager(
  options: { readonly managerUrl: string; readonly caPem: string; readonly apiToken: string },
  signal: AbortSignal,
): Promise<string> {
  const api = new OperatorApi(options);
  try {
    const { components } = await api.status(signal);
    const ill = components.find(({ healthy }) => !healthy);
    if (ill !== undefined) {
      throw new LmsError('FAILED_PRECONDITION', `${ill.name} is not healthy: ${ill.detail ?? 'it does not say why'}`);
    }
    return `${options.managerUrl} answers, and ${components.map(({ name }) => name).join(', ')} are healthy`;
  } finally {
    await api.close();
  }
}

/** 1500: somebody takes the connection. Which machine is meant is said only inside TLS, so there is no more to ask. */
export async function checkBlockStream(address: string, signal: AbortSignal): Promise<string> {
  const separator = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, separator), port: Number(address.slice(separator + 1)) });
  try {
    await once(socket, 'connect', { signal });
    return `${address} takes connections`;
  } finally {
    socket.destroy();
  }
}

/** JetStream answers this user: without a leader among its servers it does not. */
export async function checkNats(events: EventsOptions, signal: AbortSignal): Promise<string> {
  const connection = await EventConnection.connect(events, 'check', signal);
  try {
    return `JetStream answers at ${connection.nats.getServer()}`;
  } finally {
    await connection.close();
  }
}

/** What a replication server needs of a volume: to be written by its user, kept by fsync, and files replaced by rename. */
export async function checkStorage(folder: string): Promise<string> {
  const probe = join(folder, 'lms-check');
  const content = Buffer.alloc(PROBE_BYTES, 'lms');
  await mkdir(probe, { recursive: true });
  try {
    const file = await open(join(probe, 'new'), 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(join(probe, 'new'), join(probe, 'kept'));
    if (!content.equals(await readFile(join(probe, 'kept')))) {
      throw new LmsError('DATA_LOSS', `what was written to ${folder} is not what is read`);
    }
    const { bavail, bsize } = await statfs(folder);
    return `a volume keeps what is written; ${Math.floor((bavail * bsize) / 1024 ** 2)} MiB are free on it`;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
