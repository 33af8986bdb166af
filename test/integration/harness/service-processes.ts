// The manager taken apart, as Kubernetes runs it: each service a process of its own, with certificates of one internal
// CA in files, and one NATS.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorApi, type Status } from '@lms/api';
import { certificateSha256 } from '@lms/identity';
import { RegistryService } from '@lms/proto';
import { createRpcClient } from '@lms/rpc';
import { BackgroundProcess } from '../../harness/background-process.ts';
import type { Cleanup } from '../../harness/cleanup.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { TestAuthority } from './certificates.ts';
import type { TestNatsServer } from './nats-server.ts';
import { until } from './until.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const QUESTION_MILLISECONDS = 20_000;

export const SERVICES = ['registry', 'stats-ingest', 'log-ingest', 'staging-controller', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface ServiceProcessesOptions {
  /** What NATS is to each: added to its environment, and goes before what there is. */
  readonly environment?: (name: ServiceName) => Readonly<Record<string, string>>;
}

function healthOf(name: ServiceName): string {
  return `${name}-health`;
}

export class ServiceProcesses {
  /** Of the services among each other. */
  readonly authority: TestAuthority;
  readonly #folder: string;
  readonly #nats: Pick<TestNatsServer, 'options'>;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #options: ServiceProcessesOptions;
  readonly #processes = new Map<ServiceName, BackgroundProcess>();
  #operator: OperatorApi | null = null;

  private constructor(
    folder: string,
    nats: Pick<TestNatsServer, 'options'>,
    authority: TestAuthority,
    ports: ReadonlyMap<string, number>,
    options: ServiceProcessesOptions,
  ) {
    this.#folder = folder;
    this.#nats = nats;
    this.authority = authority;
    this.#ports = ports;
    this.#options = options;
  }

  static async start(
    folder: string,
    nats: Pick<TestNatsServer, 'options'>,
    cleanup: Cleanup,
    options: ServiceProcessesOptions = {},
  ): Promise<ServiceProcesses> {
    const ports = new Map<string, number>();
    for (const name of [...SERVICES, ...SERVICES.map(healthOf), 'block-stream']) ports.set(name, await findFreePort());
    const services = new ServiceProcesses(folder, nats, await TestAuthority.create(), ports, options);
    for (const name of SERVICES) cleanup.add(`stop ${name}`, async () => services.#processes.get(name)?.stop());
    cleanup.add('close the client', async () => services.#operator?.close());
    await writeFile(join(folder, 'nats-password'), nats.options.password ?? '', { mode: 0o600 });
    await mkdir(join(folder, 'ca'), { mode: 0o700 });
    await services.startService('registry');
    await until('the CA of the registry', () => existsSync(services.#caFile));
    for (const name of SERVICES) if (name !== 'registry') await services.startService(name);
    await services.#createOperator();
    return services;
  }

  async startService(name: ServiceName): Promise<void> {
    this.#processes.set(
      name,
      new BackgroundProcess({
        program: process.execPath,
        parameters: [join(REPOSITORY, 'services', name, 'src/main.ts')],
        logPath: join(this.#folder, `${name}.log`),
        environment: await this.#environment(name),
      }),
    );
  }

  process(name: ServiceName): BackgroundProcess {
    const running = this.#processes.get(name);
    if (running === undefined) throw new Error(`${name} was not started`);
    return running;
  }

  get operator(): OperatorApi {
    if (this.#operator === null) throw new Error('not started');
    return this.#operator;
  }

  get managerUrl(): string {
    return `https://${this.address('gateway')}`;
  }

  async status(): Promise<Status> {
    return this.operator.status(AbortSignal.timeout(QUESTION_MILLISECONDS));
  }

  /** PEM of the CA that agents believe. */
  managerCa(): Promise<string> {
    return readFile(this.#caFile, 'utf8');
  }

  get #caFile(): string {
    return join(this.#folder, 'ca/ca.pem');
  }

  /** HOST:PORT. */
  address(name: string): string {
    return `127.0.0.1:${this.#ports.get(name)}`;
  }

  async #environment(name: ServiceName): Promise<Record<string, string>> {
    const tls = await this.authority.service(name);
    const file = (kind: string): string => join(this.#folder, `${name}-${kind}.pem`);
    await writeFile(file('ca'), tls.caPem);
    await writeFile(file('certificate'), tls.certificatePem);
    await writeFile(file('key'), tls.privateKeyPem, { mode: 0o600 });
    const managerCaSha256 = name === 'staging-controller' ? certificateSha256(await this.managerCa()) : '';
    return {
      LMS_LISTEN: this.address(name),
      LMS_HEALTH_LISTEN: this.address(healthOf(name)),
      LMS_TLS_CA: file('ca'),
      LMS_TLS_CERT: file('certificate'),
      LMS_TLS_KEY: file('key'),
      LMS_NATS_URL: this.#nats.options.servers.join(','),
      LMS_NATS_PASSWORD_FILE: join(this.#folder, 'nats-password'),
      LMS_CA_DIRECTORY: join(this.#folder, 'ca'),
      LMS_REGISTRY_ADDRESS: this.address('registry'),
      LMS_STATISTICS_ADDRESS: this.address('stats-ingest'),
      LMS_LOGS_ADDRESS: this.address('log-ingest'),
      LMS_STAGING_ADDRESS: this.address('staging-controller'),
      LMS_NAMES: '127.0.0.1',
      LMS_MANAGER_URL: this.managerUrl,
      LMS_MANAGER_CA_SHA256: managerCaSha256,
      LMS_REPLICATION_SERVER_DATA_DIRECTORY: join(this.#folder, 'replication-server'),
      LMS_BLOCK_STREAM_LISTEN: this.address('block-stream'),
      ...this.#options.environment?.(name),
    };
  }

  async #createOperator(): Promise<void> {
    const tls = await this.authority.service('manager');
    const registry = createRpcClient(RegistryService, {
      address: this.address('registry'),
      component: 'registry',
      tls,
    });
    const apiToken = randomBytes(32).toString('base64url');
    const secretSha256 = createHash('sha256').update(apiToken).digest('hex');
    try {
      await until('the registry', () => registry.ensureOperatorToken({ secretSha256, name: 'test' }));
    } finally {
      registry.close();
    }
    this.#operator = new OperatorApi({ managerUrl: this.managerUrl, caPem: await this.managerCa(), apiToken });
  }
}
