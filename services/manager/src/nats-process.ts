/**
 * The nats-server of one host: a supervised child with its data in the manager's folder, on a port of loopback that is
 * chosen at the first launch and kept while this process lives, so that services find it again after it was restarted.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LmsError } from '@lms/errors';
import type { EventsOptions } from '@lms/events';
import { HEALTHY, pause, SupervisedProcess, unhealthy, type Health, type ProcessCommand } from '@lms/service';
import type { Logger } from '@lms/telemetry';

const START_TIMEOUT_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 20;
const USER = 'lms';
const PASSWORD_BYTES = 32;

export class NatsProcess {
  readonly #folder: string;
  readonly #process: SupervisedProcess;
  #port: number | null = null;
  #password = '';

  constructor(folder: string, logger: Logger) {
    this.#folder = resolve(folder);
    this.#process = new SupervisedProcess({
      name: 'nats-server',
      stateFile: join(this.#folder, 'nats-server'),
      command: () => this.#command(),
      logger,
    });
  }

  get pidFile(): string {
    return join(this.#folder, 'nats.pid');
  }

  /** Once started. */
  get options(): EventsOptions {
    return { servers: [`127.0.0.1:${this.#port ?? 0}`], user: USER, password: this.#password, replicas: 1 };
  }

  health(): Health {
    const { phase, failure } = this.#process.state;
    if (phase === 'running') return HEALTHY;
    return unhealthy(failure?.message ?? 'nats-server is not running');
  }

  /** Resolves when it listens. */
  async start(signal: AbortSignal): Promise<void> {
    this.#password = await this.#ensurePassword();
    this.#process.start();
    const giveUpAt = Date.now() + START_TIMEOUT_MILLISECONDS;
    while ((this.#port = await this.#readPort()) === null) {
      const { failure } = this.#process.state;
      if (failure !== null) {
        throw new LmsError(failure.code, failure.message, { action: `${this.#logFile} says why.` });
      }
      if (Date.now() > giveUpAt) throw new LmsError('DEADLINE_EXCEEDED', 'nats-server does not say its port');
      if (!(await pause(POLL_MILLISECONDS, signal))) signal.throwIfAborted();
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  get #portsFolder(): string {
    return join(this.#folder, 'ports');
  }

  get #logFile(): string {
    return join(this.#folder, 'nats.log');
  }

  async #command(): Promise<ProcessCommand> {
    await rm(this.#portsFolder, { recursive: true, force: true });
    await mkdir(this.#portsFolder, { mode: 0o700 });
    const configurationFile = join(this.#folder, 'nats.conf');
    await writeFile(configurationFile, this.#configuration(), { mode: 0o600 });
    return { program: natsServerProgram(), arguments: ['--config', configurationFile] };
  }

  #configuration(): string {
    return `# Written at every start of the manager.
listen: "127.0.0.1:${this.#port ?? -1}"
ports_file_dir: ${JSON.stringify(this.#portsFolder)}
pid_file: ${JSON.stringify(this.pidFile)}
log_file: ${JSON.stringify(this.#logFile)}
logfile_size_limit: 16MB
max_payload: 1MB
# An acknowledged message is on disk, not in a cache that a power cut empties.
jetstream {
  store_dir: ${JSON.stringify(join(this.#folder, 'store'))}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 8GB
}
authorization { user: ${JSON.stringify(USER)}, password: ${JSON.stringify(this.#password)} }
`;
  }

  /** The ports file of the process that runs now. */
  async #readPort(): Promise<number | null> {
    const { phase, pid } = this.#process.state;
    if (phase !== 'running' || pid === null) return null;
    const written = await readFile(join(this.#portsFolder, `nats-server_${pid}.ports`), 'utf8').catch(() => '');
    const port = /nats:\/\/127\.0\.0\.1:(\d+)/.exec(written)?.[1];
    return port === undefined ? null : Number(port);
  }

  async #ensurePassword(): Promise<string> {
    const path = join(this.#folder, 'password');
    if (existsSync(path)) return (await readFile(path, 'utf8')).trim();
    const password = randomBytes(PASSWORD_BYTES).toString('base64url');
    await writeFile(path, `${password}\n`, { mode: 0o600 });
    return password;
  }
}

/** `$LMS_NATS_SERVER`, else what `make setup` has put beside the sources. */
function natsServerProgram(): string {
  const program = process.env['LMS_NATS_SERVER'] ?? join(import.meta.dirname, '../../../.tools/nats-server');
  if (existsSync(program)) return program;
  throw new LmsError('NOT_FOUND', `there is no nats-server at ${program}`, {
    action: 'Run make setup, or name a nats-server 2.12 or later in LMS_NATS_SERVER.',
  });
}
