/** lms.v1.Staging. */
import { LmsError } from '@lms/errors';
import { blockStreamServerName } from '@lms/identity';
import type { BlockStreamEndpoint, StagingService, WatchAssignmentsResponse } from '@lms/proto';
import type { Handlers } from '@lms/rpc';
import { pause } from '@lms/service';
import type { AssignmentTable } from './assignment-table.ts';
import { namedWays, type Endpoint } from './block-stream-ways.ts';
import { stepReport, type Controller } from './controller.ts';
import type { StagingDriver } from './driver.ts';
import type { MachineWays } from './machine-ways.ts';
import type { Machines } from './machines.ts';
import { watchRoutes } from './routes.ts';
import type { Removals } from './removals.ts';
import { describeServer, withReport } from './serving-server.ts';
import type { Sightings } from './sightings.ts';
import type { StagingStore } from './store.ts';

const WAIT_MILLISECONDS_MAX = 30_000;
/**
 * After a start: how long machines that a replication server serves may be unknown to the registry. Until then it is
 * told to ask again, and goes on serving them: their agents are registering anew.
 */
const SETTLE_MILLISECONDS = 60_000;
/** How long the first answer may be held until reports of replication servers that run already have come in. */
const FIRST_REPORTS_MILLISECONDS = 4_000;
const OBJECTS_PER_MESSAGE = 500;

export interface StagingHandlersOptions {
  readonly controller: Controller;
  readonly table: AssignmentTable;
  readonly store: StagingStore;
  readonly machines: Machines;
  readonly sightings: Sightings;
  readonly driver: StagingDriver;
  readonly removals: Removals;
  readonly ways: MachineWays;
  readonly startedAt: Date;
}

export function stagingHandlers(options: StagingHandlersOptions): Handlers<typeof StagingService> {
  const { controller, store, sightings, driver, removals, ways } = options;
  return {
    watchAssignments: async ({ replicationServer, afterRevision, waitMilliseconds }, { signal }) => {
      sightings.serverCalled(replicationServer, new Date());
      controller.look(driver.machineOf(replicationServer));
      await waitUntilSettled(options, replicationServer, signal);
      const limit = AbortSignal.timeout(Math.min(waitMilliseconds, WAIT_MILLISECONDS_MAX));
      const answer = await waitForOther(options, replicationServer, afterRevision, AbortSignal.any([signal, limit]));
      signal.throwIfAborted();
      return answer;
    },
    reportReady: async ({ replicationServer, address, port, interfaceAddresses, clockAheadMilliseconds }) => {
      await store.servers.modify(replicationServer, (current) =>
        withReport(current, { address, port, interfaceAddresses }, new Date()),
      );
      if (clockAheadMilliseconds !== undefined) sightings.clockSeen(replicationServer, clockAheadMilliseconds);
      sightings.serverReady(replicationServer, new Date());
      controller.look(driver.machineOf(replicationServer));
      return {};
    },
    getEndpoint: ({ machineId }) => {
      const [endpoint, ...alternatives] = inMachineName(machineId, ways.named(machineId));
      if (endpoint === undefined) return Promise.resolve({ endpoint, alternatives });
      sightings.agentTold(machineId);
      controller.look(machineId);
      return Promise.resolve({ endpoint, alternatives });
    },
    getServingServer: ({ machineId }) => Promise.resolve(describeServer(options, machineId)),
    getBlockStreamWays: ({ machineId, settings }) => {
      const { named, wanted, withdrawn, pending } = ways.describe(machineId, settings);
      return Promise.resolve({
        named: inMachineName(machineId, named),
        wanted: inMachineName(machineId, wanted),
        withdrawn: inMachineName(machineId, withdrawn),
        pending,
      });
    },
    describeNetwork: ({ settings }) => Promise.resolve(ways.network(settings)),
    getInitiation: ({ machineId }) => Promise.resolve({ steps: controller.stepsOf(machineId).map(stepReport) }),
    listReadyServers: () => {
      const now = new Date();
      const ready = store.servers.entries().filter(({ key }) => sightings.isReady(key, now));
      const servers = ready.map(({ key, value }) => {
        const [endpoint] = namedWays(driver.waysOf(key, value));
        return { replicationServer: key, address: endpoint?.host ?? value.address, port: endpoint?.port ?? value.port };
      });
      return Promise.resolve({ servers });
    },
    watchRoutes: (_request, { signal }) =>
      watchRoutes(
        () => driver.routes(),
        (listener) => controller.onLook(listener),
        signal,
      ),
    removeStaging: async ({ machineId, unknownToo = false }) => {
      await removals.request(machineId, unknownToo);
      controller.look(machineId);
      return { objects: [...removals.objects(machineId)] };
    },
    listStagingObjects: async function* ({ machineId }) {
      const objects = removals.objects(machineId === '' ? undefined : machineId);
      for (let first = 0; first < objects.length; first += OBJECTS_PER_MESSAGE) {
        yield { objects: objects.slice(first, first + OBJECTS_PER_MESSAGE) };
        await Promise.resolve();
      }
    },
  };
}

function inMachineName(machineId: string, endpoints: readonly Endpoint[]): BlockStreamEndpoint[] {
  const serverName = blockStreamServerName(machineId);
  return endpoints.map((endpoint) => ({ ...endpoint, serverName }));
}

/** The first answer that differs from what the caller has, or the present one when `until` is aborted. */
async function waitForOther(
  { table, sightings }: StagingHandlersOptions,
  replicationServer: string,
  afterRevision: bigint,
  until: AbortSignal,
): Promise<WatchAssignmentsResponse> {
  let told = false;
  for (;;) {
    const answer = table.of(replicationServer);
    if (answer.revision !== afterRevision) return answer;
    const machineIds = answer.machines.map(({ machineId }) => machineId);
    if (!told) sightings.assignmentTaken(replicationServer, machineIds);
    told = true;
    if (until.aborted) return answer;
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = table.onChange(replicationServer, resolve);
    const giveUp = (): void => resolve();
    until.addEventListener('abort', giveUp, { once: true });
    await promise;
    forget();
    until.removeEventListener('abort', giveUp);
  }
}

async function waitUntilSettled(
  { controller, machines, startedAt }: StagingHandlersOptions,
  replicationServer: string,
  signal: AbortSignal,
): Promise<void> {
  const age = (): number => Date.now() - startedAt.getTime();
  // An empty list would end sessions of machines that the manager only does not know of yet.
  while (age() < FIRST_REPORTS_MILLISECONDS && (!machines.listed || machines.ids().length === 0)) {
    await pause(FIRST_REPORTS_MILLISECONDS / 10, signal);
    signal.throwIfAborted();
  }
  const unknown = controller.unknownMachinesOf(replicationServer);
  if (machines.listed && (unknown.length === 0 || age() > SETTLE_MILLISECONDS)) return;
  throw new LmsError('UNAVAILABLE', 'the manager has started and does not know yet which machines there are', {
    action: 'Ask again; go on with what was assigned before.',
  });
}
