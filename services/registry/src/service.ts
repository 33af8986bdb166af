/** The registry as a service: its parts put together, started and stopped in order. */
import { EventConnection, EVENT_STREAM, ensureStream, untilAnswered } from '@lms/events';
import { toLmsError } from '@lms/errors';
import { RegistryService } from '@lms/proto';
import { RpcServer } from '@lms/rpc';
import { combineHealth, unhealthy, type Health, type Service } from '@lms/service';
import { createLogger } from '@lms/telemetry';
import { openAuthority } from './authority-files.ts';
import type { RegistryConfiguration } from './config.ts';
import { Facts } from './facts.ts';
import { createHandlers } from './handlers.ts';
import { MachineRemoval } from './machine-removal.ts';
import { Machines } from './machines.ts';
import { reportNats } from './nats-process.ts';
import { Operations } from './operations.ts';
import { Points } from './points.ts';
import { RemovedMachines } from './removed-machines.ts';
import { ReplicationServers } from './replication-servers.ts';
import { Installation } from './settings/installation.ts';
import { PasswordSeal } from './settings/password-seal.ts';
import { openStore, type RegistryStore } from './store.ts';
import { Tokens } from './tokens.ts';

/** Operations whose time is over are ended within this. */
const SWEEP_MILLISECONDS = 2_000;

export interface RegistryServiceModule extends Service {
  /** HOST:PORT of gRPC, once started. */
  readonly address: string;
}

interface Running {
  readonly connection: EventConnection;
  readonly store: RegistryStore;
  readonly facts: Facts;
  readonly closeParts: () => void;
}

export function createRegistryService(configuration: RegistryConfiguration): RegistryServiceModule {
  return new Registry(configuration);
}

class Registry implements RegistryServiceModule {
  readonly name = 'registry';
  readonly #configuration: RegistryConfiguration;
  readonly #logger = createLogger('registry');
  #connection: EventConnection | null = null;
  #running: Running | null = null;
  #server: RpcServer | null = null;
  #sweeper: NodeJS.Timeout | null = null;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(configuration: RegistryConfiguration) {
    this.#configuration = configuration;
  }

  get address(): string {
    if (this.#server === null) throw new Error('the registry is not started');
    return this.#server.address;
  }

  health(): Health {
    if (this.#running === null) return unhealthy('not started');
    return combineHealth([this.#running.connection.health(), this.#running.store.health()]);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { caDirectory, events, listen, tls, natsPidFile, operatorTokenSha256 } = this.#configuration;
    const opened = await openAuthority(caDirectory);
    const connection = await EventConnection.connect(events, this.name, signal);
    this.#connection = connection;
    await ensureStream(connection, EVENT_STREAM);
    const store = await openStore(connection, signal);
    const facts = new Facts(connection);
    const points = new Points(store.points, facts);
    const removed = new RemovedMachines(store.removed);
    const seal = new PasswordSeal(opened.stateSecret);
    const installation = new Installation({ bucket: store.settings, seal, facts, logger: this.#logger });
    const machines = new Machines(store, points, facts, removed, installation);
    const tokens = new Tokens(store.tokens);
    if (operatorTokenSha256 !== undefined) {
      const ensure = () => tokens.ensureOperator(operatorTokenSha256, 'operator', new Date());
      await untilAnswered(connection, "the operator's token", ensure);
    }
    const replicationServers = new ReplicationServers(store.replicationServers);
    const operations = new Operations(store.operations, { machines, points, replicationServers, facts });
    const removal = new MachineRemoval({ removed, machines, points, operations, replicationServers, facts });
    const closeParts = (): void => {
      operations.close();
      points.close();
      machines.close();
    };
    this.#running = { connection, store, facts, closeParts };
    const { authority } = opened;
    const handlers = createHandlers({
      authority,
      opened,
      tokens,
      machines,
      installation,
      removed,
      removal,
      replicationServers,
      points,
      operations,
      facts,
    });
    this.#server = new RpcServer({
      component: this.name,
      listen,
      tls,
      health: () => this.health(),
      dependencies: () => [reportNats(this.#connection, natsPidFile)],
      logger: this.#logger,
    }).serve(RegistryService, handlers);
    await this.#server.start();
    machines.republish(new Date());
    removal.republish();
    points.republish();
    this.#sweeper = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep(operations, removal, tokens));
    }, SWEEP_MILLISECONDS);
  }

  async stop(): Promise<void> {
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    await this.#server?.stop();
    await this.#sweeping;
    await this.#running?.facts.stop();
    this.#running?.closeParts();
    await this.#running?.store.close();
    await this.#connection?.close();
    this.#running = null;
    this.#connection = null;
  }

  async #sweep(operations: Operations, removal: MachineRemoval, tokens: Tokens): Promise<void> {
    try {
      await operations.sweep(new Date());
      await removal.sweep(new Date());
      await tokens.sweep(new Date());
      const { operatorTokenSha256: digest } = this.#configuration;
      // Again, should all state have been lost meanwhile.
      if (digest !== undefined) await tokens.ensureOperator(digest, 'operator', new Date());
    } catch (thrown) {
      // Another registry was faster, or NATS is away: the next sweep does it.
      this.#logger.debug({ error: toLmsError(thrown).message }, 'a sweep was not finished');
    }
  }
}
