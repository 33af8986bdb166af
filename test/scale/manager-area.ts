// The manager's services, each in a process of its own, and a real nats-server that syncs each write; machines are made as
// a registry makes them that has lost its state: by a heartbeat. staging-controller has the driver `kubernetes` without a
// cluster that it could reach, and finds in state which replication server each machine has: one of its own.

import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AssignmentsAnswer } from '@lms/api';
import { EventConnection, jsonState, StateBucket } from '@lms/events';
import { formatIdentity, type IdentityKind } from '@lms/identity';
import { RegistryService } from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import { Pool } from 'undici';
import { issueAccessToken, type AccessTokenKey } from '../../services/gateway/src/access/access-token.ts';
import { ASSIGNMENT } from '../../services/staging-controller/src/store.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { TestNatsServer } from '../integration/harness/nats-server.ts';
import { ServiceProcesses, SERVICES } from '../integration/harness/service-processes.ts';
import { TemporaryFolder } from '../integration/harness/temporary-folder.ts';
import { kubernetesSettings } from './kubernetes-settings.ts';
import { disksOf, INVENTORY_JSON, machineIdOf } from './machines.ts';
import { inParallel } from './parallel.ts';

const CONNECTIONS = 64;
const START_MILLISECONDS = 120_000;
const never = new AbortController().signal;

export interface Gateway {
  readonly host: string;
  readonly port: number;
  readonly caPem: string;
}

export class ManagerArea {
  readonly count: number;
  readonly registry: RpcClient<typeof RegistryService>;
  readonly gateway: Gateway;
  readonly nats: TestNatsServer;
  readonly #services: ServiceProcesses;
  readonly #tokens: AccessTokenKey;
  readonly #pool: Pool;
  readonly #headers = new Map<string, string>();

  private constructor(parts: {
    count: number;
    registry: RpcClient<typeof RegistryService>;
    gateway: Gateway;
    nats: TestNatsServer;
    services: ServiceProcesses;
    tokens: AccessTokenKey;
    pool: Pool;
  }) {
    this.count = parts.count;
    this.registry = parts.registry;
    this.gateway = parts.gateway;
    this.nats = parts.nats;
    this.#services = parts.services;
    this.#tokens = parts.tokens;
    this.#pool = parts.pool;
  }

  /** With so many machines, each assigned to a replication server of its own. */
  static async start(count: number, cleanup: Cleanup): Promise<ManagerArea> {
    const folder = await TemporaryFolder.create();
    cleanup.add('remove the folder', () => folder[Symbol.asyncDispose]());
    const nats = await TestNatsServer.start();
    cleanup.add('stop NATS', () => nats[Symbol.asyncDispose]());
    await assign(nats, count);
    const controllerEnvironment = await withoutCluster(folder.path);
    const services = await ServiceProcesses.start(folder.path, nats, cleanup, {
      environment: (name): Readonly<Record<string, string>> =>
        name === 'staging-controller' ? controllerEnvironment : {},
    });
    const registry = createRpcClient(RegistryService, {
      address: services.address('registry'),
      component: 'registry',
      tls: await services.authority.service('gateway'),
    });
    cleanup.add('close the client', () => registry.close());
    const { caPem, accessTokenKey, trustDomain } = await registry.getTrust({});
    const port = Number(services.address('gateway').split(':')[1]);
    const pool = new Pool(`https://127.0.0.1:${port}`, { connections: CONNECTIONS, connect: { ca: caPem } });
    cleanup.add('close the connections', () => pool.destroy());
    const gateway = { host: '127.0.0.1', port, caPem };
    const tokens = { key: new Uint8Array(accessTokenKey), trustDomain };
    const area = new ManagerArea({ count, registry, gateway, nats, services, tokens, pool });
    await makeMachines(registry, count);
    await waitFor('the gateway to answer', () => area.isAnswering(), { timeoutMilliseconds: START_MILLISECONDS });
    return area;
  }

  /** Process ids of all services and of NATS, by name. */
  get processes(): ReadonlyMap<string, number> {
    const services = SERVICES.map((name) => [name, this.#services.process(name).pid] as const);
    return new Map([...services, ['nats', this.nats.pid]]);
  }

  async isAnswering(): Promise<boolean> {
    const { statusCode, body } = await this.#pool.request({ method: 'GET', path: '/v1/ca' });
    await body.dump();
    return statusCode === 200;
  }

  /** The value of `authorization` of a machine, or of its replication server. */
  async authorization(kind: Exclude<IdentityKind, 'service'>, index: number): Promise<string> {
    const id = kind === 'machine' ? machineIdOf(index) : `rs-${machineIdOf(index)}`;
    const known = this.#headers.get(id);
    if (known !== undefined) return known;
    const certificateNotAfter = new Date(Date.now() + 3_600_000);
    const uri = formatIdentity({ trustDomain: this.#tokens.trustDomain, kind, id });
    const asserted = { uri, dnsNames: [], certificateNotAfter } as unknown as Parameters<typeof issueAccessToken>[1];
    const { accessToken } = await issueAccessToken(this.#tokens, asserted, new Date());
    const header = `Bearer ${accessToken}`;
    this.#headers.set(id, header);
    return header;
  }

  /** Of a replication server's assignments, as they are now. */
  async revisionOf(authorization: string): Promise<string> {
    const path = '/v1/replication-server/assignments?wait=0';
    const answer = await this.#pool.request({ method: 'GET', path, headers: { authorization } });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`GET ${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
    return AssignmentsAnswer.parse(JSON.parse(text)).revision;
  }

  async post(kind: Exclude<IdentityKind, 'service'>, index: number, path: string, content: unknown): Promise<void> {
    const answer = await this.#pool.request({
      method: 'POST',
      path,
      headers: { authorization: await this.authorization(kind, index), 'content-type': 'application/json' },
      body: JSON.stringify(content),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`POST ${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
  }
}

/** As staging-controller does it itself, at the rate of the API server. */
async function assign(nats: TestNatsServer, count: number): Promise<void> {
  const connection = await EventConnection.connect(nats.options, 'scale', never);
  const codec = jsonState(ASSIGNMENT, 1);
  const bucket = await StateBucket.open(connection, { name: 'LMS_ASSIGNMENTS', codec }, never);
  const assignedAt = new Date().toISOString();
  await inParallel(count, (index) =>
    bucket.create(machineIdOf(index), { replicationServer: `rs-${machineIdOf(index)}`, assignedAt }),
  );
  await bucket.close();
  await connection.close();
}

async function makeMachines(registry: RpcClient<typeof RegistryService>, count: number): Promise<void> {
  await inParallel(count, (index) =>
    registry.heartbeatMachine({
      machineId: machineIdOf(index),
      name: `source-${index}`,
      agentVersion: '0.1.0',
      bootId: '00000000-0000-4000-8000-000000000001',
      disks: disksOf(index),
      inventoryJson: INVENTORY_JSON,
    }),
  );
}

/** Settings as the chart makes them, and a cluster at a port where nobody listens. */
async function withoutCluster(folder: string): Promise<Record<string, string>> {
  const kubeconfig = join(folder, 'kubeconfig.json');
  const cluster = { name: 'none', cluster: { server: 'https://127.0.0.1:1' } };
  const context = { name: 'none', context: { cluster: 'none', user: 'none' } };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', clusters: [cluster], contexts: [context], 'current-context': 'none' },
      users: [{ name: 'none', user: { token: createHash('sha256').digest('hex') } }],
    }),
  );
  const settings = join(folder, 'kubernetes.json');
  await writeFile(settings, JSON.stringify(kubernetesSettings('scale', 1)));
  return { LMS_STAGING_DRIVER: 'kubernetes', LMS_KUBERNETES_SETTINGS: settings, KUBECONFIG: kubeconfig };
}
