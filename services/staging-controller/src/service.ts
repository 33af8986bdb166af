/** Turns "this machine should replicate" into staging disks and a replication server that serves it. */
import { EventConnection, FactConsumer, STATISTICS_STREAM, StreamFollower } from '@lms/events';
import { RegistryService, StagingService, type Event } from '@lms/proto';
import { createRpcClient, RpcServer, type RpcClient } from '@lms/rpc';
import { combineHealth, unhealthy, type Health, type Service } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { AssignmentTable } from './assignment-table.ts';
import { createCheckWay } from './check-way.ts';
import type { StagingControllerConfiguration } from './config.ts';
import { Controller } from './controller.ts';
import { stagingHandlers } from './handlers.ts';
import type { StagingDriver } from './driver.ts';
import { HostDriver } from './host-driver.ts';
import { DEFAULT_PATIENCE } from './initiation.ts';
import { loadKubeConfig } from './kubernetes/connection.ts';
import { KubernetesDriver } from './kubernetes/driver.ts';
import { MachineWays } from './machine-ways.ts';
import { Machines } from './machines.ts';
import { Removals } from './removals.ts';
import { SightingExchange } from './sighting-exchange.ts';
import { Sightings, type Sighting } from './sightings.ts';
import { openStore, type StagingStore } from './store.ts';
import { WayChanges } from './way-changes.ts';

const NAME = 'staging-controller';

export interface StagingControllerServiceModule extends Service {
  /** HOST:PORT of gRPC, once started. */
  readonly address: string;
}

export function createStagingControllerService(
  configuration: StagingControllerConfiguration,
): StagingControllerServiceModule {
  const parts = new AsyncDisposableStack();
  let health = (): Health => unhealthy('not started');
  let server: RpcServer | null = null;
  return {
    name: NAME,
    get address() {
      if (server === null) throw new Error(`${NAME} is not started`);
      return server.address;
    },
    health: () => health(),
    async start(signal) {
      const startedAt = new Date();
      const { listen, tls, events, registryAddress, patience = DEFAULT_PATIENCE } = configuration;
      const connection = await EventConnection.connect(events, NAME, signal);
      parts.defer(() => connection.close());
      const store = await openStore(connection, signal);
      parts.defer(() => store.close());
      const registry = createRpcClient(RegistryService, { address: registryAddress, component: 'registry', tls });
      parts.defer(() => registry.close());
      const driver = await createDriver(configuration, { registry, store, logger: connection.logger });
      parts.defer(() => driver.stop());

      const sightings = shareSightings(configuration, connection, parts, (sighting) =>
        controller.look('server' in sighting ? driver.machineOf(sighting.server) : sighting.machineId),
      );
      const machines = new Machines(registry, connection.logger, (machineId) => {
        if (machineId !== null) table.machineChanged(machineId);
        controller.look(machineId);
      });
      const removals = new Removals({ store, driver, machines, sightings, logger: connection.logger });
      const ways = new MachineWays({ store, driver, machines });
      const table = new AssignmentTable({
        assignments: store.assignments,
        removals: store.removals,
        machine: (machineId) => machines.get(machineId),
        serverOf: (machineId) => driver.serverOf(machineId),
        removedOf: (server) => removals.toldTo(server),
      });
      const { logger } = connection;
      const wayChanges = new WayChanges({
        store,
        ways,
        machine: (machineId) => machines.get(machineId),
        checkWay: createCheckWay(registry),
        logger,
      });
      const controller = new Controller({
        connection,
        store,
        machines,
        sightings,
        driver,
        removals,
        wayChanges,
        patience,
      });
      driver.onChange((machineId) => controller.look(machineId));
      await driver.start();
      const follower = await StreamFollower.start(
        connection,
        {
          stream: STATISTICS_STREAM,
          apply: (message) => {
            for (const machineId of sightings.apply(message)) controller.look(machineId);
          },
        },
        signal,
      );
      parts.defer(() => follower.stop());
      const consumer = await FactConsumer.start(connection, {
        name: NAME,
        kinds: ['machine-enrolled', 'machine-changed', 'machine-removed'],
        handle: async (event) => {
          if (event.fact?.$case !== 'machineRemoved') {
            putMachine(machines, event);
            return;
          }
          await removals.request(event.machineId, true);
          controller.look(event.machineId);
        },
      });
      parts.defer(() => consumer.stop());
      await controller.tellAgain();

      const stopping = new AbortController();
      const loops = Promise.all([machines.follow(stopping.signal), controller.run(stopping.signal)]);
      parts.defer(async () => {
        stopping.abort();
        await loops;
        await wayChanges.stop();
      });
      health = () => combineHealth([connection.health(), store.health(), follower.health(), consumer.health()]);
      const dependencies = () => driver.reports((name) => sightings.isReady(name, new Date()));
      server = new RpcServer({ component: NAME, listen, tls, health, dependencies });
      server.serve(
        StagingService,
        stagingHandlers({ controller, table, store, machines, sightings, driver, removals, ways, startedAt }),
      );
      await server.start();
      const started = server;
      parts.defer(() => started.stop());
    },
    async stop() {
      health = () => unhealthy('stopped');
      await parts.disposeAsync();
    },
  };
}

function putMachine(machines: Machines, { fact }: Event): void {
  if (fact?.$case !== 'machineEnrolled' && fact?.$case !== 'machineChanged') return;
  if (fact.value.machine !== undefined) machines.put(fact.value.machine);
}

interface DriverParts {
  readonly registry: RpcClient<typeof RegistryService>;
  readonly store: StagingStore;
  readonly logger: Logger;
}

async function createDriver(
  configuration: StagingControllerConfiguration,
  { registry, store, logger }: DriverParts,
): Promise<StagingDriver> {
  if ('host' in configuration) {
    const { host } = configuration;
    const previousPort = (): number | null => store.servers.get(host.name)?.value.port ?? null;
    return new HostDriver({ host, registry, logger, previousPort });
  }
  const { kubernetes } = configuration;
  const kubeConfig = kubernetes.kubeConfig ?? (await loadKubeConfig());
  return new KubernetesDriver({ kubernetes: { ...kubernetes, kubeConfig }, registry, logger });
}

/** On one host there is one staging-controller, and nobody to tell. */
function shareSightings(
  configuration: StagingControllerConfiguration,
  connection: EventConnection,
  parts: AsyncDisposableStack,
  learned: (sighting: Sighting) => void,
): Sightings {
  if ('host' in configuration) return new Sightings();
  const exchange = new SightingExchange(connection, configuration.kubernetes.identity);
  parts.defer(() => exchange.stop());
  const sightings = new Sightings((sighting) => exchange.tell(sighting));
  exchange.follow((told) => {
    for (const sighting of told) {
      sightings.learn(sighting);
      learned(sighting);
    }
  });
  return sightings;
}
