/** A real nats-server with JetStream on a free port of loopback, its data in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventsOptions } from '@lms/events';
import { TemporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

const PASSWORD = 'password-of-a-test';

export function natsServerProgram(): string {
  const built = join(import.meta.dirname, '../../../.tools/nats-server');
  const program = process.env['LMS_NATS_SERVER'] ?? built;
  if (existsSync(program)) return program;
  throw new Error(`there is no nats-server at ${program}: run make setup, or set LMS_NATS_SERVER`);
}

export interface TestNatsServerOptions {
  /** Default: always, as the product has it. NATS' own default (two minutes) is for what is filled and thrown away. */
  readonly syncInterval?: string;
}

export class TestNatsServer implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #syncInterval: string;
  #process: ChildProcess | null = null;
  #port = 0;

  private constructor(folder: TemporaryFolder, syncInterval: string) {
    this.#folder = folder;
    this.#syncInterval = syncInterval;
  }

  static async start({ syncInterval = 'always' }: TestNatsServerOptions = {}): Promise<TestNatsServer> {
    const server = new TestNatsServer(await TemporaryFolder.create(), syncInterval);
    await server.start();
    return server;
  }

  get options(): EventsOptions {
    return { servers: [`127.0.0.1:${this.#port}`], user: 'lms', password: PASSWORD, replicas: 1 };
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('nats-server does not run');
    return pid;
  }

  /** On the same port and data as before, once it has been started. */
  async start(): Promise<void> {
    const folder = this.#folder.path;
    const ports = join(folder, 'ports');
    await rm(ports, { recursive: true, force: true });
    await mkdir(ports);
    await writeFile(
      join(folder, 'nats.conf'),
      `listen: "127.0.0.1:${this.#port === 0 ? -1 : this.#port}"
ports_file_dir: "${ports}"
jetstream { store_dir: "${join(folder, 'store')}", sync_interval: ${this.#syncInterval} }
authorization { user: "lms", password: "${PASSWORD}" }
`,
    );
    const child = spawn(natsServerProgram(), ['--config', join(folder, 'nats.conf')], { stdio: 'ignore' });
    this.#process = child;
    const portsFile = join(ports, `nats-server_${child.pid}.ports`);
    this.#port = await until('nats-server to listen', async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
      const url = /nats:\/\/127\.0\.0\.1:(\d+)/.exec(await readFile(portsFile, 'utf8'))?.[1];
      return url !== undefined && Number(url);
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** As if the disk was lost: the next start begins with nothing. */
  async loseData(): Promise<void> {
    await rm(join(this.#folder.path, 'store'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}
