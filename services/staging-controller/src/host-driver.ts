/**
 * The driver of a single host: one replication server for all machines, as a child process of this one, that knows the
 * manager only through 443, like any other replication server.
 *
 * At its first start it gets a bootstrap token in a file; it makes its own key and keeps its identity in its data
 * folder. A new token is made only when the manager has refused it: what is not needed cannot be stolen.
 */
import { constants } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LmsError, toLmsError } from '@lms/errors';
import { ANY_BLOCK_STREAM_SERVER_NAME } from '@lms/identity';
import { TokenPurpose, type ComponentReport, type RegistryService } from '@lms/proto';
import type { RpcClient } from '@lms/rpc';
import { keepPort, SupervisedProcess, type ProcessCommand, type ProcessState } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { FoundWays } from './block-stream-ways.ts';
import type { DriverServer, StagingDriver } from './driver.ts';
import { hostObjects } from './host-objects.ts';
import type { ServerAddress } from './store.ts';

/** Longer than a manager takes from here to its gateway's first answer, on a slow machine. */
const TOKEN_LIFE_SECONDS = 15 * 60;
const STOP_TIMEOUT_MILLISECONDS = 15_000;
const PROGRAM = fileURLToPath(new URL('../../replication-server/src/main.ts', import.meta.url));

export interface HostConfiguration {
  /** https://HOST:PORT of the gateway. A promise when the gateway starts after this service. */
  readonly managerUrl: string | Promise<string>;
  /** Hex SHA-256 of the manager's CA. */
  readonly caSha256: string | Promise<string>;
  /** Of the replication server; made when it is not there. */
  readonly dataDirectory: string;
  /** HOST:PORT of 1500; port 0: any free one. */
  readonly blockStreamListen: string;
  /** The first is what agents connect to; none: where it listens. */
  readonly advertisedNames: readonly string[];
  readonly name: string;
  /** Default: this repository's own. */
  readonly program?: string;
}

export interface HostDriverOptions {
  readonly host: HostConfiguration;
  readonly registry: Pick<RpcClient<typeof RegistryService>, 'createToken'>;
  readonly logger: Logger;
  /** Where it listened last; null: never, or not known any more. */
  readonly previousPort: () => number | null;
}

export class HostDriver implements StagingDriver {
  readonly place = 'host';
  readonly leads = true;
  readonly hasNetworkPolicies = false;
  readonly sees = true;
  /** It has the data of all machines, and may be writing to the one that goes. */
  readonly removesThroughServer = true;
  readonly #options: HostDriverOptions;
  readonly #process: SupervisedProcess;
  #listener: () => void = () => undefined;
  #started = false;
  #stagingError: string | null = null;

  constructor(options: HostDriverOptions) {
    this.#options = options;
    this.#process = new SupervisedProcess({
      name: 'replication-server',
      stateFile: join(options.host.dataDirectory, 'process'),
      prepare: () => this.#prepareStaging(),
      command: (signal) => this.#command(signal),
      logger: options.logger,
      stopTimeoutMilliseconds: STOP_TIMEOUT_MILLISECONDS,
      onChange: () => this.#listener(),
    });
  }

  get state(): ProcessState {
    return this.#process.state;
  }

  /** Also without machines: agents are told its address the moment that they enrol. */
  start(): Promise<void> {
    if (!this.#started) this.#process.start();
    this.#started = true;
    return Promise.resolve();
  }

  serverOf(): string {
    return this.#options.host.name;
  }

  machineOf(): null {
    return null;
  }

  /** It knows no machines: its replication server reports them. */
  found(): ReadonlyMap<string, string> {
    return new Map();
  }

  /** One replication server serves them all, and makes their staging disks itself. */
  run(): void {
    return;
  }

  observe(name: string): DriverServer | null {
    if (name !== this.#options.host.name) return null;
    const { phase, startedAt, failure, attempt, nextAttemptAt } = this.#process.state;
    return {
      stagingError: this.#stagingError,
      running: phase === 'running',
      startedAt,
      failure,
      attempt,
      nextAttemptAt,
      stagingLost: false,
      networkPolicy: null,
    };
  }

  /** One address, for whoever comes from wherever: another one is known to operators only, who say it in the settings. */
  waysOf(_name: string, { address, port }: ServerAddress): FoundWays {
    const endpoint = { host: this.#options.host.advertisedNames[0] ?? address, port };
    return { public: endpoint, private: endpoint, prefer: 'public' };
  }

  /** One replication server serves every machine. */
  usualWays(reported: ServerAddress | null): FoundWays {
    if (reported === null) return { public: null, private: null, prefer: 'public' };
    return this.waysOf(this.#options.host.name, reported);
  }

  routes(): readonly [] {
    return [];
  }

  objects(machineId?: string) {
    return hostObjects(this.#options.host.dataDirectory, machineId);
  }

  reports(ready: (name: string) => boolean): readonly ComponentReport[] {
    const { phase, pid, failure } = this.#process.state;
    const healthy = phase === 'running' && ready(this.#options.host.name);
    const trouble = failure?.message ?? (phase === 'running' ? 'it has not said that it listens' : 'not started yet');
    return [{ name: 'replication-server', pid: pid ?? undefined, healthy, detail: healthy ? '' : trouble }];
  }

  onChange(listener: (machineId: null) => void): void {
    this.#listener = () => listener(null);
  }

  async stop(): Promise<void> {
    if (this.#started) await this.#process.stop();
  }

  async #prepareStaging(): Promise<void> {
    const { dataDirectory } = this.#options.host;
    try {
      await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
      await access(dataDirectory, constants.W_OK | constants.X_OK);
      this.#stagingError = null;
    } catch (thrown) {
      this.#stagingError = `the folder for staging disks, ${dataDirectory}, cannot be used: ${toLmsError(thrown).message}`;
      throw new LmsError('FAILED_PRECONDITION', this.#stagingError, { cause: thrown });
    }
  }

  async #command(signal: AbortSignal): Promise<ProcessCommand> {
    const { host } = this.#options;
    const [managerUrl, caSha256] = await Promise.all([unlessAborted(host.managerUrl, signal), host.caSha256]);
    const tokenFile = await this.#ensureToken(signal);
    const listen = await this.#listen();
    const [advertised] = host.advertisedNames;
    return {
      program: process.execPath,
      arguments: [
        // A replication server makes a 16 KiB buffer for each TLS record. With the default young generation they die so
        // late, and with the default first limit of the old one they count so much, that V8 marks the whole heap 30 to 50
        // times a GiB: measured, a third of its processor time and 80 MiB.
        '--max-semi-space-size=1',
        '--initial-old-space-size=48',
        '--import',
        import.meta.resolve('@lms/telemetry/preload'),
        host.program ?? PROGRAM,
        ...['--data-dir', host.dataDirectory, '--listen', listen, '--name', host.name],
        ...['--manager', managerUrl, '--ca-sha256', caSha256, '--bootstrap-token-file', tokenFile],
        ...(advertised === undefined ? [] : ['--advertise', advertised]),
      ],
      // Our own port for probes is ours; the child would fail at taking it too.
      environment: { LMS_HEALTH_LISTEN: '' },
    };
  }

  /** Agents that run know the port of before. */
  async #listen(): Promise<string> {
    const listen = this.#options.host.blockStreamListen;
    const separator = listen.lastIndexOf(':');
    if (listen.slice(separator + 1) !== '0') return listen;
    const host = listen.slice(0, separator);
    return `${host}:${await keepPort(host.replaceAll(/[[\]]/g, ''), this.#options.previousPort())}`;
  }

  async #ensureToken(signal: AbortSignal): Promise<string> {
    const file = join(this.#options.host.dataDirectory, 'bootstrap-token');
    const refused = this.#process.state.failure?.code === 'UNAUTHENTICATED';
    if (!refused && (await exists(file))) return file;
    const { secret } = await this.#options.registry.createToken(
      {
        purpose: TokenPurpose.REPLICATION_SERVER,
        name: `replication server ${this.#options.host.name}`,
        uses: 1,
        expiresInSeconds: TOKEN_LIFE_SECONDS,
        dnsNames: [ANY_BLOCK_STREAM_SERVER_NAME],
      },
      { signal },
    );
    await writeFile(file, `${secret}\n`, { mode: 0o600 });
    return file;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** The promise of the manager's URL is never kept when its gateway does not start. */
async function unlessAborted(value: string | Promise<string>, signal: AbortSignal): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(toLmsError(signal.reason));
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([value, promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
