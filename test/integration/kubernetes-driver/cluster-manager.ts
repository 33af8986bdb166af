// What else of the manager there is around a cluster's staging-controller, so that a real agent and a real replication
// server can work with it: the gateway, and what it asks. The replication server is started as its pod would be.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorApi } from '@lms/api';
import { createGatewayService } from '@lms/gateway';
import { createLogIngestService } from '@lms/log-ingest';
import type { Service } from '@lms/service';
import { createStatsIngestService } from '@lms/stats-ingest';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { nameOf, type ClusterArea } from './cluster-area.ts';

const never = new AbortController().signal;
const REPLICATION_SERVER = join(import.meta.dirname, '../../../services/replication-server/src/main.ts');

export class ClusterManager implements AsyncDisposable {
  readonly operator: OperatorApi;
  readonly url: string;
  readonly caSha256: string;
  readonly #area: ClusterArea;
  readonly #services: readonly Service[];

  private constructor(parts: {
    operator: OperatorApi;
    url: string;
    caSha256: string;
    area: ClusterArea;
    services: readonly Service[];
  }) {
    this.operator = parts.operator;
    this.url = parts.url;
    this.caSha256 = parts.caSha256;
    this.#area = parts.area;
    this.#services = parts.services;
  }

  /** `stagingAddress`: of staging-controller's gRPC; who listens there may change. */
  static async start(area: ClusterArea, stagingAddress: string): Promise<ClusterManager> {
    const { services: authority, nats, service: registry } = area.registry;
    const common = { listen: '127.0.0.1:0', events: nats.options };
    const statistics = createStatsIngestService({ ...common, tls: await authority.service('stats-ingest') });
    const logs = createLogIngestService({ ...common, tls: await authority.service('log-ingest') });
    await statistics.start(never);
    await logs.start(never);
    const gateway = createGatewayService({
      listen: '127.0.0.1:0',
      tls: await authority.service('gateway'),
      names: ['127.0.0.1'],
      registryAddress: registry.address,
      statisticsAddress: statistics.address,
      logsAddress: logs.address,
      stagingAddress,
    });
    await gateway.start(never);
    const client = await area.registry.client('manager');
    const apiToken = randomBytes(32).toString('base64url');
    const secretSha256 = createHash('sha256').update(apiToken).digest('hex');
    await client.ensureOperatorToken({ secretSha256, name: 'test' });
    const { caPem, caSha256 } = await client.getTrust({});
    const url = `https://127.0.0.1:${gateway.port}`;
    const operator = new OperatorApi({ managerUrl: url, caPem, apiToken });
    return new ClusterManager({ operator, url, caSha256, area, services: [gateway, logs, statistics] });
  }

  /** With the token of its Secret and the environment of its StatefulSet; returns its port of the block stream too. */
  async startReplicationServer(
    machineId: string,
    folder: string,
  ): Promise<{ process: BackgroundProcess; port: number }> {
    const { apps, core, namespace } = this.#area;
    const name = nameOf(machineId);
    const { spec } = await apps.readNamespacedStatefulSet({ name, namespace });
    const { data } = await core.readNamespacedSecret({ name, namespace });
    const given = spec?.template.spec?.containers[0]?.env ?? [];
    await mkdir(folder, { recursive: true });
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, Buffer.from(data?.['token'] ?? '', 'base64'), { mode: 0o600 });
    const port = await findFreePort();
    const process = new BackgroundProcess({
      program: globalThis.process.execPath,
      parameters: [REPLICATION_SERVER],
      logPath: join(folder, 'replication-server.log'),
      environment: {
        ...Object.fromEntries(given.map((variable) => [variable.name, variable.value])),
        // What is the cluster's: volumes, networks, and the router in front.
        LMS_DATA_DIRECTORY: join(folder, 'data'),
        LMS_BLOCK_STREAM_LISTEN: `127.0.0.1:${port}`,
        LMS_MANAGER_URL: this.url,
        LMS_BOOTSTRAP_TOKEN_FILE: tokenFile,
        LMS_HEALTH_LISTEN: `127.0.0.1:${await findFreePort()}`,
        LMS_FAILURE_FILE: join(folder, 'failure'),
        LMS_PROXY_PROTOCOL: '',
      },
    });
    return { process, port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.operator.close();
    for (const service of this.#services) await service.stop();
  }
}
