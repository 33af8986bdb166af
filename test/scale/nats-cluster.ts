// Three nats-servers that keep three copies, on one machine and so on one disk, which three would not share.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventsOptions } from '@lms/events';
import { BackgroundProcess } from '../harness/background-process.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { findFreePort } from '../harness/free-port.ts';
import { natsServerProgram } from '../integration/harness/nats-server.ts';

const SERVERS = 3;
const USER = 'lms';
const PASSWORD = 'password-of-a-test';

export interface NatsCluster {
  readonly options: EventsOptions;
  readonly processes: ReadonlyMap<string, number>;
}

export async function startNatsCluster(cleanup: Cleanup): Promise<NatsCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'lms-scale-nats-'));
  cleanup.add('remove the folder of the NATS cluster', () => rm(folder, { recursive: true, force: true }));
  const ports: { readonly client: number; readonly cluster: number }[] = [];
  for (let index = 0; index < SERVERS; index += 1) {
    ports.push({ client: await findFreePort(), cluster: await findFreePort() });
  }
  const routes = ports.map(({ cluster }) => `"nats://127.0.0.1:${cluster}"`).join(', ');
  const processes = new Map<string, number>();
  for (const [index, { client, cluster }] of ports.entries()) {
    const name = `nats-${index}`;
    const file = join(folder, `${name}.conf`);
    await writeFile(
      file,
      `server_name: "${name}"
listen: "127.0.0.1:${client}"
jetstream { store_dir: "${join(folder, name)}", sync_interval: always }
cluster { name: "scale", listen: "127.0.0.1:${cluster}", routes: [${routes}] }
authorization { user: "${USER}", password: "${PASSWORD}" }
`,
    );
    const logPath = join(folder, `${name}.log`);
    const server = new BackgroundProcess({ program: natsServerProgram(), parameters: ['--config', file], logPath });
    cleanup.add(`end ${name}`, () => server.kill());
    processes.set(name, server.pid);
  }
  const servers = ports.map(({ client }) => `127.0.0.1:${client}`);
  return { options: { servers, user: USER, password: PASSWORD, replicas: SERVERS }, processes };
}
