/**
 * The whole manager on one host: the service modules in this process, a nats-server child, and the replication server
 * that the staging-controller starts.
 *
 * Each service talks gRPC and NATS exactly as it does alone in a pod; only where they listen is decided here, on free
 * ports of loopback, with certificates of an internal CA that lives as long as this process. The order of the start is
 * that of who needs whom; the gateway is last, so that whoever reaches 443 finds a manager that works.
 */
import { LmsError } from '@lms/errors';
import { createGatewayService, type GatewayServiceModule } from '@lms/gateway';
import { CertificateAuthority, certificateSha256 } from '@lms/identity';
import { createLogIngestService } from '@lms/log-ingest';
import { RegistryService } from '@lms/proto';
import { createRegistryService, type RegistryServiceModule } from '@lms/registry';
import { componentServerName, createRpcClient, type TlsMaterial } from '@lms/rpc';
import { combineHealth, keepPort, ServiceGroup, unhealthy, type Health, type Service } from '@lms/service';
import { createStagingControllerService } from '@lms/staging-controller';
import { createStatsIngestService } from '@lms/stats-ingest';
import { createLogger } from '@lms/telemetry';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentPackages } from './agent-packages.ts';
import { formatAddress, type Address } from './address.ts';
import { openDataFolder, type DataFolder } from './data-folder.ts';
import { NatsProcess } from './nats-process.ts';
import { ensureOperatorContext, previousPort, secretSha256 } from './operator-context.ts';

const ANY_LOOPBACK_PORT = '127.0.0.1:0';

export interface ManagerOptions {
  readonly dataDirectory: string;
  /** 443: what agents, replication servers and operators reach. Port 0: any free one. */
  readonly listen: Address;
  /** 1500: where the replication server listens. */
  readonly blockStream: Address;
  /** Host names and addresses that this manager is reached by; the first is what others are told. Default: where it listens. */
  readonly names: readonly string[];
  /** Folder of agent packages that somebody else made. Default: the manager makes them. */
  readonly agentPackages?: string;
  /** What is started as the replication server; it is given the usual arguments. Default: this repository's own. */
  readonly replicationServerProgram?: string;
}

export class Manager implements Service {
  readonly name = 'manager';
  readonly #options: ManagerOptions;
  readonly #logger = createLogger('manager');
  readonly #services = new ServiceGroup(this.#logger);
  #folder: DataFolder | null = null;
  #nats: NatsProcess | null = null;
  #staging: Service | null = null;
  #url: string | null = null;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** Once started. */
  get url(): string {
    if (this.#url === null) throw new Error('the manager is not started');
    return this.#url;
  }

  async start(signal: AbortSignal): Promise<void> {
    const folder = await openDataFolder(this.#options.dataDirectory);
    this.#folder = folder;
    const nats = new NatsProcess(folder.natsDirectory, this.#logger);
    this.#nats = nats;
    await nats.start(signal);
    const internal = new InternalCertificates(await CertificateAuthority.open(await CertificateAuthority.create()));
    const registry = await this.#startRegistry(folder, nats, internal, signal);
    const gateway = await this.#startOthers(folder, nats, internal, registry.address, signal);
    const caPem = await readFile(join(folder.caDirectory, 'ca.pem'), 'utf8');
    this.#url = `https://${formatAddress({ host: this.#advertisedHost(), port: gateway.port })}`;
    await this.#ensureOperator(folder, internal, registry.address, caPem, signal);
  }

  /** The replication server first, while there is a gateway that takes its last reports. */
  async stop(): Promise<void> {
    await this.#staging?.stop();
    await this.#services.stop();
    await this.#nats?.stop();
    this.#folder?.lock.release();
  }

  health(): Health {
    if (this.#nats === null) return unhealthy('starting');
    return combineHealth([this.#nats.health(), ...this.#services.services.map((service) => service.health())]);
  }

  async #startRegistry(
    folder: DataFolder,
    nats: NatsProcess,
    internal: InternalCertificates,
    signal: AbortSignal,
  ): Promise<RegistryServiceModule> {
    const registry = createRegistryService({
      listen: ANY_LOOPBACK_PORT,
      tls: await internal.of('registry'),
      events: nats.options,
      caDirectory: folder.caDirectory,
      natsPidFile: nats.pidFile,
    });
    return this.#services.start(registry, signal);
  }

  async #startOthers(
    folder: DataFolder,
    nats: NatsProcess,
    internal: InternalCertificates,
    registryAddress: string,
    signal: AbortSignal,
  ): Promise<GatewayServiceModule> {
    const listen = ANY_LOOPBACK_PORT;
    const events = nats.options;
    const statistics = createStatsIngestService({ listen, tls: await internal.of('stats-ingest'), events });
    await this.#services.start(statistics, signal);
    const logs = createLogIngestService({ listen, tls: await internal.of('log-ingest'), events });
    await this.#services.start(logs, signal);
    const caPem = await readFile(join(folder.caDirectory, 'ca.pem'), 'utf8');
    const managerUrl = Promise.withResolvers<string>();
    const { replicationServerProgram } = this.#options;
    const staging = createStagingControllerService({
      listen,
      tls: await internal.of('staging-controller'),
      events,
      registryAddress,
      host: {
        managerUrl: managerUrl.promise,
        caSha256: certificateSha256(caPem),
        dataDirectory: folder.replicationServerDirectory,
        blockStreamListen: formatAddress(this.#options.blockStream),
        advertisedNames: [this.#advertisedBlockStreamHost()],
        name: 'host',
        ...(replicationServerProgram === undefined ? {} : { program: replicationServerProgram }),
      },
    });
    this.#staging = staging;
    await this.#services.start(staging, signal);
    const gateway = createGatewayService({
      listen: formatAddress(await this.#listenAddress(folder)),
      tls: await internal.of('gateway'),
      names: [...new Set([...this.#options.names, this.#advertisedHost()])],
      agentPackages: agentPackages(this.#options.agentPackages ?? null, folder.path),
      registryAddress,
      statisticsAddress: statistics.address,
      logsAddress: logs.address,
      stagingAddress: staging.address,
    });
    await this.#services.start(gateway, signal);
    const { host } = this.#options.listen;
    // The replication server is on this host: it needs no name, and no way out and in again.
    managerUrl.resolve(`https://${formatAddress({ host: reachableHost(host), port: gateway.port })}`);
    return gateway;
  }

  async #ensureOperator(
    folder: DataFolder,
    internal: InternalCertificates,
    registryAddress: string,
    caPem: string,
    signal: AbortSignal,
  ): Promise<void> {
    const context = await ensureOperatorContext(folder.operatorFile, this.url, caPem);
    const registry = createRpcClient(RegistryService, {
      address: registryAddress,
      component: 'registry',
      tls: await internal.of('manager'),
    });
    try {
      await registry.ensureOperatorToken({ secretSha256: secretSha256(context), name: 'operator' }, { signal });
    } finally {
      registry.close();
    }
  }

  /** Agents have the manager's URL in their identity: port 0 is any port only at the first start. */
  async #listenAddress(folder: DataFolder): Promise<Address> {
    const { host, port } = this.#options.listen;
    return { host, port: port === 0 ? await keepPort(host, await previousPort(folder.operatorFile)) : port };
  }

  #advertisedHost(): string {
    return this.#options.names[0] ?? reachableHost(this.#options.listen.host);
  }

  #advertisedBlockStreamHost(): string {
    const { host } = this.#options.blockStream;
    return this.#options.names[0] ?? reachableHost(host);
  }
}

/** Certificates of the service modules under a CA that only this process knows. */
class InternalCertificates {
  readonly #authority: CertificateAuthority;

  constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  async of(component: string): Promise<TlsMaterial> {
    const issued = await this.#authority.issueService(component, [componentServerName(component)]);
    return { caPem: this.#authority.certificatePem, ...issued };
  }
}

/** What somebody on this host can connect to when a service listens on all addresses. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/** Runs a manager until the signal aborts. Rejects with an `LmsError` when it cannot start. */
export async function runManager(options: ManagerOptions & { readonly signal: AbortSignal }): Promise<void> {
  const { signal } = options;
  const logger = createLogger('manager');
  const manager = new Manager(options);
  try {
    await manager.start(signal);
    logger.info({ managerUrl: manager.url, dataDirectory: options.dataDirectory, pid: process.pid }, 'ready');
    await new Promise<void>((stopped) => {
      if (signal.aborted) stopped();
      else signal.addEventListener('abort', () => stopped(), { once: true });
    });
    logger.info('stopping');
  } catch (thrown) {
    if (!signal.aborted)
      throw thrown instanceof LmsError ? thrown : new LmsError('INTERNAL', String(thrown), { cause: thrown });
  } finally {
    await manager.stop();
  }
}
