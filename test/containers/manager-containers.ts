// The manager as a cluster runs it, in containers: NATS of three, and each service from its image, with the Secrets that the
// chart's set-up makes, TLS everywhere, a user of NATS for each service.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { OperatorApi, type OperatorOptions } from '@lms/api';
import { EventConnection } from '@lms/events';
import { certificateSha256 } from '@lms/identity';
import { ensureSecrets, parsePlan } from '@lms/setup';
import { Network, type StartedNetwork } from 'testcontainers';
import type { Docker } from '../../scripts/images/docker.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { HEALTH_PORT, RestrictedContainer } from './restricted-container.ts';
import { SecretFolders } from './secret-folders.ts';

/** The user of all images. */
const USER = 65532;
const SECRETS = '/etc/lms';
const RPC_PORT = 8443;
const NATS_PORT = 4222;
export const TLS_PORT = 8444;
export const PLAIN_PORT = 8080;
export const REPLICAS = 3;

export const NATS_NODES = ['nats-1', 'nats-2', 'nats-3'] as const;
export const SERVICES = ['registry', 'stats-ingest', 'log-ingest', 'staging-controller', 'gateway'] as const;
export type Part = (typeof NATS_NODES)[number] | (typeof SERVICES)[number];
type Service = (typeof SERVICES)[number];

/** `test`: this program, which looks into the streams. `cluster`: the nodes among each other. */
const NATS_USERS = ['registry', 'stats-ingest', 'log-ingest', 'staging-controller', 'test', 'cluster'] as const;

export class ManagerContainers {
  readonly #docker: Docker;
  readonly #cleanup: Cleanup;
  readonly #folder: string;
  readonly #secrets: SecretFolders;
  readonly #parts = new Map<Part, RestrictedContainer>();
  #network: StartedNetwork | null = null;

  private constructor(docker: Docker, cleanup: Cleanup) {
    this.#docker = docker;
    this.#cleanup = cleanup;
    this.#folder = mkdtempSync(join(tmpdir(), 'lms-containers-'));
    // The user of the images is not this one.
    chmodSync(this.#folder, 0o755);
    this.#secrets = new SecretFolders(join(this.#folder, 'secrets'));
  }

  static async start(docker: Docker, cleanup: Cleanup): Promise<ManagerContainers> {
    // Its helper would be an image of somebody else; what is started here is ended here.
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
    // Inside of a container it would take an address of Docker's default network for this host.
    process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1';
    Object.assign(process.env, docker.environment);
    const manager = new ManagerContainers(docker, cleanup);
    cleanup.add('remove the folder', () => rmSync(manager.#folder, { recursive: true, force: true }));
    await manager.#createSecrets();
    const network = await new Network().start();
    manager.#network = network;
    cleanup.add('remove the network', async () => void (await network.stop()));
    await allDone(NATS_NODES.map((node) => manager.#startNats(node)));
    await allDone(SERVICES.map((service) => manager.#startService(service)));
    return manager;
  }

  part(name: Part): RestrictedContainer {
    const container = this.#parts.get(name);
    if (container === undefined) throw new Error(`${name} was not started`);
    return container;
  }

  get managerUrl(): string {
    return `https://${this.part('gateway').address(TLS_PORT)}`;
  }

  get caPem(): string {
    return this.#secrets.value('authority', 'ca.pem');
  }

  get caSha256(): string {
    return certificateSha256(this.caPem);
  }

  operator(): OperatorApi {
    const context = JSON.parse(this.#secrets.value('operator', 'operator.json')) as OperatorOptions;
    const operator = new OperatorApi({ ...context, managerUrl: this.managerUrl, retries: 0 });
    this.#cleanup.add('close the client', () => operator.close());
    return operator;
  }

  /** To NATS itself, past all services. */
  async events(signal: AbortSignal): Promise<EventConnection> {
    const options = {
      servers: NATS_NODES.map((node) => this.part(node).address(NATS_PORT).replace('127.0.0.1', 'localhost')),
      user: 'test',
      password: this.#secrets.value('nats', 'test'),
      tlsCaFile: join(this.#secrets.path('nats-tls'), 'ca.crt'),
      replicas: REPLICAS,
    };
    const connection = await EventConnection.connect(options, 'test', signal);
    this.#cleanup.add('close the connection to NATS', () => connection.close());
    return connection;
  }

  async #createSecrets(): Promise<void> {
    // NATS' client compares the certificate with a host name, never with an address.
    const names = [...NATS_NODES, 'localhost'];
    const plan = {
      instance: 'test',
      authority: { secret: 'authority' },
      internalAuthority: { secret: 'internal' },
      certificates: [
        ...SERVICES.map((component) => ({ component, secret: `${component}-tls` })),
        { component: 'nats', secret: 'nats-tls', names },
      ],
      nats: { secret: 'nats', users: NATS_USERS },
      operator: { secret: 'operator', managerUrl: 'https://gateway' },
      gatewayCertificate: null,
    };
    const settings = { store: this.#secrets, plan: parsePlan(JSON.stringify(plan)), now: new Date() };
    await ensureSecrets({ ...settings, warn: (sentence) => process.stderr.write(`${sentence}\n`) });
  }

  async #startNats(node: (typeof NATS_NODES)[number]): Promise<void> {
    const configuration = join(this.#folder, `${node}.conf`);
    writeFileSync(configuration, this.#natsConfiguration(node));
    await this.#start(node, {
      target: 'nats',
      command: ['--config', '/etc/nats.conf'],
      ports: [NATS_PORT],
      readOnly: { '/etc/nats.conf': configuration, [`${SECRETS}/tls`]: this.#secrets.path('nats-tls') },
      readWrite: { '/data': this.#writableFolder(node) },
    });
  }

  #natsConfiguration(node: string): string {
    const password = (user: string): string => this.#secrets.value('nats', user);
    const tls = `cert_file: "${SECRETS}/tls/tls.crt", key_file: "${SECRETS}/tls/tls.key"`;
    const users = NATS_USERS.filter((user) => user !== 'cluster');
    return `
server_name: "${node}"
listen: "0.0.0.0:${NATS_PORT}"
max_payload: 1MB
tls { ${tls} }
jetstream { store_dir: "/data", sync_interval: always, max_memory_store: 64MB, max_file_store: 8GB }
cluster {
  name: "lms"
  listen: "0.0.0.0:6222"
  no_advertise: true
  tls { ${tls}, ca_file: "${SECRETS}/tls/ca.crt", verify: true }
  authorization { user: "cluster", password: "${password('cluster')}" }
  routes: [${NATS_NODES.map((other) => `"nats-route://cluster:${password('cluster')}@${other}:6222"`).join(', ')}]
}
authorization { users: [${users.map((user) => `{ user: "${user}", password: "${password(user)}" }`).join(', ')}] }
`;
  }

  async #startService(service: Service): Promise<void> {
    const folders = [`${service}-tls`, 'nats', ...(service === 'registry' ? ['authority', 'operator'] : [])];
    await this.#start(service, {
      target: service,
      environment: this.#environment(service),
      ports: [HEALTH_PORT, ...(service === 'gateway' ? [TLS_PORT, PLAIN_PORT] : [])],
      readOnly: Object.fromEntries(folders.map((secret) => [`${SECRETS}/${secret}`, this.#secrets.path(secret)])),
      ...(service === 'staging-controller' && { readWrite: { '/data': this.#writableFolder(service) } }),
    });
  }

  #environment(service: Service): Record<string, string> {
    const tls = `${SECRETS}/${service}-tls`;
    const all = {
      LMS_LISTEN: `0.0.0.0:${service === 'gateway' ? TLS_PORT : RPC_PORT}`,
      LMS_HEALTH_LISTEN: `0.0.0.0:${HEALTH_PORT}`,
      LMS_TLS_CA: `${tls}/ca.crt`,
      LMS_TLS_CERT: `${tls}/tls.crt`,
      LMS_TLS_KEY: `${tls}/tls.key`,
      LMS_REGISTRY_ADDRESS: `registry:${RPC_PORT}`,
    };
    if (service === 'gateway') {
      return {
        ...all,
        LMS_LISTEN_PLAIN: `0.0.0.0:${PLAIN_PORT}`,
        LMS_NAMES: 'gateway,127.0.0.1',
        LMS_STATISTICS_ADDRESS: `stats-ingest:${RPC_PORT}`,
        LMS_LOGS_ADDRESS: `log-ingest:${RPC_PORT}`,
        LMS_STAGING_ADDRESS: `staging-controller:${RPC_PORT}`,
      };
    }
    const events = {
      LMS_NATS_URL: NATS_NODES.map((node) => `${node}:${NATS_PORT}`).join(','),
      LMS_NATS_USER: service,
      LMS_NATS_PASSWORD_FILE: `${SECRETS}/nats/${service}`,
      LMS_NATS_TLS_CA: `${tls}/ca.crt`,
      LMS_NATS_REPLICAS: String(REPLICAS),
    };
    if (service === 'registry') {
      const files = {
        LMS_CA_DIRECTORY: `${SECRETS}/authority`,
        LMS_OPERATOR_TOKEN_SHA256_FILE: `${SECRETS}/operator/token-sha256`,
      };
      return { ...all, ...events, ...files };
    }
    if (service !== 'staging-controller') return { ...all, ...events };
    return {
      ...all,
      ...events,
      LMS_MANAGER_URL: `https://gateway:${TLS_PORT}`,
      LMS_MANAGER_CA_SHA256: this.caSha256,
      LMS_REPLICATION_SERVER_DATA_DIRECTORY: '/data',
      LMS_BLOCK_STREAM_LISTEN: '0.0.0.0:1500',
    };
  }

  async #start(
    name: Part,
    options: Omit<Parameters<typeof RestrictedContainer.start>[1], 'name' | 'network' | 'logFolder'>,
  ): Promise<void> {
    if (this.#network === null) throw new Error('no network yet');
    const logFolder = process.env['LMS_EVIDENCE'] ?? this.#folder;
    mkdirSync(logFolder, { recursive: true });
    const container = await RestrictedContainer.start(this.#docker, {
      ...options,
      name,
      network: this.#network,
      logFolder,
    });
    this.#cleanup.add(`remove ${name}`, () => container.remove());
    this.#parts.set(name, container);
  }

  #writableFolder(name: string): string {
    const folder = join(this.#folder, `${name}-data`);
    mkdirSync(folder);
    chownSync(folder, USER, USER);
    return folder;
  }
}

/** Unlike `Promise.all`, nothing is under way any more when it rejects. */
async function allDone(starts: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(starts)) if (outcome.status === 'rejected') throw outcome.reason;
}
