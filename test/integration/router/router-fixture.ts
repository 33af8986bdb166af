/** A real HAProxy with the product's configuration, and the program that keeps its routes, over a staging-controller's double. */
import { join } from 'node:path';
import { createRouterService } from '@lms/router';
import type { Route } from '@lms/proto';
import type { Service } from '@lms/service';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';
import { BlockStreamEnds } from './block-stream-ends.ts';
import { NameServer } from './name-server.ts';
import { RoutesDouble } from './routes-double.ts';

const CONFIGURATION_FILE = join(import.meta.dirname, '../../../services/router/haproxy.cfg');
/** Long enough for nothing, short enough for a test that waits for it. */
const TRUST_MILLISECONDS = 200;
const never = new AbortController().signal;

export interface ConnectionLog {
  readonly source: string;
  readonly outcome: string;
  readonly serverName: string;
  readonly address: string;
}

export class RouterFixture {
  readonly cleanup = new Cleanup();
  readonly folder: string;
  readonly port: number;
  readonly staging: RoutesDouble;
  readonly names: NameServer;
  readonly ends: BlockStreamEnds;
  readonly #authority: TestAuthority;
  readonly #settings: Readonly<Record<string, string>>;
  #haproxy: BackgroundProcess | null = null;
  #router: Service | null = null;

  private constructor(parts: {
    folder: string;
    port: number;
    staging: RoutesDouble;
    names: NameServer;
    authority: TestAuthority;
    ends: BlockStreamEnds;
    settings: Readonly<Record<string, string>>;
  }) {
    this.folder = parts.folder;
    this.port = parts.port;
    this.staging = parts.staging;
    this.names = parts.names;
    this.ends = parts.ends;
    this.#authority = parts.authority;
    this.#settings = parts.settings;
  }

  /** `settings`: of HAProxy, by environment. */
  static async start(settings: Readonly<Record<string, string>> = {}, routesInAPart?: number): Promise<RouterFixture> {
    const made = await TemporaryFolder.create();
    const authority = await TestAuthority.create();
    const staging = new RoutesDouble(await authority.service('staging-controller'), routesInAPart);
    const names = await NameServer.start();
    const cleanup = new Cleanup();
    const ends = await BlockStreamEnds.create(cleanup);
    const port = await findFreePort();
    const fixture = new RouterFixture({ folder: made.path, port, staging, names, authority, ends, settings });
    fixture.cleanup.add('remove the folder', () => made[Symbol.asyncDispose]());
    fixture.cleanup.add('stop the name server', () => names.stop());
    fixture.cleanup.add('stop the double', () => staging.stop());
    fixture.cleanup.add('stop HAProxy', () => fixture.#haproxy?.end());
    fixture.cleanup.add('stop the router', () => fixture.#router?.stop());
    fixture.cleanup.add('end the block streams', async () => void (await cleanup.run()));
    await staging.start();
    await fixture.startRouter();
    fixture.startHaproxy();
    return fixture;
  }

  async startRouter(): Promise<void> {
    this.#router = createRouterService({
      tls: await this.#authority.service('router'),
      stagingAddress: this.staging.address,
      stateDirectory: this.folder,
      clusterDomain: 'cluster.test',
      trustMilliseconds: TRUST_MILLISECONDS,
    });
    await this.#router.start(never);
  }

  async stopRouter(): Promise<void> {
    await this.#router?.stop();
  }

  startHaproxy(): void {
    this.#haproxy = new BackgroundProcess({
      program: 'haproxy',
      parameters: ['-db', '-f', CONFIGURATION_FILE],
      logPath: join(this.folder, 'haproxy.log'),
      environment: {
        LMS_ROUTER_STATE_DIRECTORY: this.folder,
        LMS_ROUTER_LISTEN: `127.0.0.1:${this.port}`,
        LMS_ROUTER_NAMESERVER: this.names.address,
        ...this.#settings,
      },
    });
  }

  get haproxyPid(): number {
    if (this.#haproxy === null) throw new Error('HAProxy was not started');
    return this.#haproxy.pid;
  }

  async killHaproxy(): Promise<void> {
    await this.#haproxy?.kill();
  }

  get health() {
    return this.#router?.health() ?? null;
  }

  async ready(): Promise<void> {
    await until('HAProxy holds the routes', () => this.health?.healthy);
  }

  /** One line for each connection that ended. */
  connectionLogs(): readonly ConnectionLog[] {
    const lines = this.#haproxy?.log().split('\n') ?? [];
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as ConnectionLog);
  }

  refusal(outcome: string, serverName: string): Promise<ConnectionLog> {
    return until(`the refusal of ${serverName} is in the log`, () =>
      this.connectionLogs().find((line) => line.outcome === outcome && line.serverName === serverName),
    );
  }
}

export function route(machineId: string, port: number, address = '127.0.0.1'): Route {
  return { machineId, host: `rs-${machineId}.ns.svc`, port, address };
}
