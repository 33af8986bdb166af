// A container of one of our images with no more rights than a pod under Pod Security "restricted", on ports of this host
// that stay the same when it is killed and started again.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { GenericContainer, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import type { Docker } from '../../scripts/images/docker.ts';
import type { Target } from '../../scripts/images/targets.ts';
import { findFreePort } from '../harness/free-port.ts';
import { image } from '../images/built-images.ts';
import { HealthClient } from '../integration/harness/health-client.ts';
import { until } from '../integration/harness/until.ts';

export const HEALTH_PORT = 8081;

/** What our services and nats-server say when they serve. */
const READY = /"message":"ready"|Server is ready/;
const START_MILLISECONDS = 120_000;

export interface ContainerOptions {
  /** Its name in the network. */
  readonly name: string;
  readonly target: Target;
  readonly network: StartedNetwork;
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** Ports inside that this host reaches too. */
  readonly ports: readonly number[];
  readonly readOnly?: Readonly<Record<string, string>>;
  readonly readWrite?: Readonly<Record<string, string>>;
  readonly logFolder: string;
}

class Restricted extends GenericContainer {
  constructor(name: string) {
    super(name);
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities('ALL').withSecurityOpt('no-new-privileges');
  }
}

export class RestrictedContainer {
  readonly name: string;
  readonly #docker: Docker;
  readonly #logFile: string;
  readonly #ports: ReadonlyMap<number, number>;
  #started: StartedTestContainer | null = null;

  private constructor(docker: Docker, { name, logFolder }: ContainerOptions, ports: ReadonlyMap<number, number>) {
    this.name = name;
    this.#docker = docker;
    this.#logFile = join(logFolder, `${name}.log`);
    this.#ports = ports;
  }

  static async start(docker: Docker, options: ContainerOptions): Promise<RestrictedContainer> {
    const ports = new Map<number, number>();
    for (const port of options.ports) ports.set(port, await findFreePort());
    const container = new RestrictedContainer(docker, options, ports);
    const { readOnly = {}, readWrite = {} } = options;
    const mounts = [
      ...Object.entries(readOnly).map(([target, source]) => ({ source, target, mode: 'ro' as const })),
      ...Object.entries(readWrite).map(([target, source]) => ({ source, target, mode: 'rw' as const })),
    ];
    container.#started = await new Restricted(image(options.target))
      .withNetwork(options.network)
      .withNetworkAliases(options.name)
      .withEnvironment({ ...options.environment })
      .withCommand([...(options.command ?? [])])
      .withExposedPorts(...[...ports].map(([inside, host]) => ({ container: inside, host })))
      .withBindMounts(mounts)
      .withTmpFs({ '/tmp': 'rw,mode=1777' })
      // What it said is kept, also when it ends before it is ready.
      .withLogConsumer((stream) => void stream.pipe(createWriteStream(container.#logFile)))
      .withWaitStrategy(Wait.forLogMessage(READY))
      .withStartupTimeout(START_MILLISECONDS)
      .start();
    return container;
  }

  /** `HOST:PORT` on this host. */
  address(port: number): string {
    const host = this.#ports.get(port);
    if (host === undefined) throw new Error(`${this.name}: port ${port} cannot be reached from here`);
    return `127.0.0.1:${host}`;
  }

  /** Readiness as a kubelet asks for it: by a new connection each time. */
  async untilServing(): Promise<void> {
    await until(`${this.name} to be ready`, async () => {
      const client = new HealthClient(this.address(HEALTH_PORT));
      try {
        return (await client.status('readiness')) === 'SERVING';
      } finally {
        client.close();
      }
    });
  }

  async kill(): Promise<void> {
    await this.#docker.run('kill', '--signal', 'KILL', this.id);
    await this.#docker.run('wait', this.id);
  }

  async startAgain(): Promise<void> {
    await this.#docker.run('start', this.id);
  }

  /** Its log is kept beside those of the others. */
  async remove(): Promise<void> {
    if (this.#started === null) return;
    await this.#docker.pipe(`"$DOCKER" logs ${this.id} > '${this.#logFile}' 2>&1`);
    await this.#docker.run('rm', '--force', '--volumes', this.id);
    this.#started = null;
  }

  get id(): string {
    if (this.#started === null) throw new Error(`${this.name} does not run`);
    return this.#started.getId();
  }
}
