// A server that speaks S3 (versitygw, which `make setup` builds) over a folder: what lies in it are the objects.

import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { BackgroundProcess } from './background-process.ts';
import type { Cleanup } from './cleanup.ts';
import { waitFor } from './condition.ts';
import { findFreePort } from './free-port.ts';
import type { Host } from './network/host.ts';
import { HERE } from './place.ts';

const PROGRAM = join(import.meta.dirname, '../../.tools/versitygw');
const ACCESS_KEY_ID = 'packages';
const SECRET_ACCESS_KEY = 'a secret that is not in any argument';
export const BUCKET = 'agents';

export interface ObjectStoreOptions {
  readonly folder: string;
  readonly cleanup: Cleanup;
  /** Default: here, on a free port of 127.0.0.1. */
  readonly host?: Host;
}

export class ObjectStore {
  /** http://HOST:PORT */
  readonly endpoint: string;
  readonly port: number;
  /** What is in the bucket. */
  readonly bucketFolder: string;
  /** As a gateway wants them. */
  readonly credentialsFolder: string;

  private constructor(endpoint: string, port: number, bucketFolder: string, credentialsFolder: string) {
    this.endpoint = endpoint;
    this.port = port;
    this.bucketFolder = bucketFolder;
    this.credentialsFolder = credentialsFolder;
  }

  static async start({ folder, cleanup, host }: ObjectStoreOptions): Promise<ObjectStore> {
    const port = host === undefined ? await findFreePort() : 7070;
    const address = host?.address ?? '127.0.0.1';
    const bucketFolder = join(folder, 'objects', BUCKET);
    const credentialsFolder = join(folder, 'store-credentials');
    mkdirSync(bucketFolder, { recursive: true });
    writeCredentials(credentialsFolder, SECRET_ACCESS_KEY);
    const parameters = ['--port', `${address}:${port}`, '--quiet', 'posix', '--nometa', join(folder, 'objects')];
    const server = new BackgroundProcess({
      ...(host?.place ?? HERE).command(PROGRAM, ...parameters),
      logPath: join(folder, 'object-store.log'),
      environment: { ROOT_ACCESS_KEY_ID: ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY },
    });
    cleanup.add('stop the object store', async () => server.end());
    const listens = async (): Promise<boolean> =>
      host === undefined ? isOpen(address, port) : (await host.run('ss', '-Hltn', `sport = :${port}`)).trim() !== '';
    await waitFor('the object store to listen', listens);
    return new ObjectStore(`http://${address}:${port}`, port, bucketFolder, credentialsFolder);
  }
}

export function writeCredentials(folder: string, secretAccessKey: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'accessKeyId'), `${ACCESS_KEY_ID}\n`);
  writeFileSync(join(folder, 'secretAccessKey'), `${secretAccessKey}\n`, { mode: 0o600 });
}

async function isOpen(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, host, () => resolve(true));
  socket.on('error', () => resolve(false));
  const open = await promise;
  socket.destroy();
  return open;
}
