/** A staging-controller that says what the test tells it: which replication server serves which machines, and where. */
import {
  AddressKind,
  InitiationStep,
  StagingPlace,
  StagingService,
  StepState,
  type BlockStreamEndpoint,
  type BlockStreamSettings,
  type MachineNetwork,
  type PendingBlockStreamChange,
  type StagingObject,
} from '@lms/proto';
import { RpcServer, type TlsMaterial } from '@lms/rpc';
import { HEALTHY } from '@lms/service';

export class StagingDouble implements AsyncDisposable {
  readonly #server: RpcServer;
  #revision = 1n;
  #assigned = new Map<string, readonly string[]>();
  #changed = Promise.withResolvers<void>();
  endpoint: BlockStreamEndpoint | undefined;
  alternatives: BlockStreamEndpoint[] = [];
  /** Of every machine. */
  pendingChange: PendingBlockStreamChange | undefined;
  /** Settings of which it was asked last what is pending; undefined: those that it knows. */
  askedWaysOf: BlockStreamSettings | undefined;
  /** Machines with addresses of their own. */
  networks: MachineNetwork[] = [];
  /** What there is, by machine, kind and name. */
  objects: StagingObject[] = [];
  /** Machines whose staging was to be removed. */
  readonly removed: string[] = [];

  private constructor(tls: TlsMaterial) {
    this.#server = new RpcServer({
      component: 'staging-controller',
      listen: '127.0.0.1:0',
      tls,
      health: () => HEALTHY,
      dependencies: () => [{ name: 'replication-server', pid: 42, healthy: false, detail: 'starting' }],
    }).serve(StagingService, {
      watchAssignments: async ({ replicationServer, afterRevision, waitMilliseconds }, { signal }) => {
        if (afterRevision === this.#revision && waitMilliseconds > 0) {
          await Promise.race([this.#changed.promise, elapsed(waitMilliseconds, signal)]);
        }
        const machineIds = this.#assigned.get(replicationServer) ?? [];
        const machines = machineIds.map((machineId) => ({ machineId, name: machineId, retention: [] }));
        return { revision: this.#revision, machines, removedMachineIds: [] };
      },
      reportReady: async () => ({}),
      getEndpoint: async () => ({ endpoint: this.endpoint, alternatives: this.alternatives }),
      getServingServer: async () => ({
        replicationServer: 'host',
        failure: '',
        calledAt: undefined,
        address: '127.0.0.1',
        port: 1500,
        interfaceAddresses: [],
        formerAddresses: [],
        endpoints: [],
      }),
      getBlockStreamWays: async ({ settings }) => {
        this.askedWaysOf = settings;
        return { named: [], wanted: [], withdrawn: [], pending: this.pendingChange };
      },
      describeNetwork: async () => ({
        place: StagingPlace.KUBERNETES,
        addresses: [{ kind: AddressKind.PUBLIC, host: '198.51.100.9', port: 1500 }],
        machines: this.networks,
      }),
      getInitiation: async () => ({
        steps: [
          {
            step: InitiationStep.CREATE_STAGING_DISKS,
            state: StepState.FAILED,
            error: 'no room',
            attempt: 1,
            nextAttemptAt: undefined,
            changedAt: undefined,
          },
        ],
      }),
      watchRoutes: async function* () {
        yield { routes: [], removedMachineIds: [], complete: true };
      },
      removeStaging: async ({ machineId }) => {
        this.removed.push(machineId);
        return { objects: this.#objectsOf(machineId) };
      },
      listStagingObjects: ({ machineId }) => inOneMessage(() => this.#objectsOf(machineId)),
      listReadyServers: async () => ({
        servers: [{ replicationServer: 'host', address: '127.0.0.1', port: 1500 }],
      }),
    });
  }

  static async start(tls: TlsMaterial): Promise<StagingDouble> {
    const double = new StagingDouble(tls);
    await double.#server.start();
    return double;
  }

  get address(): string {
    return this.#server.address;
  }

  assign(replicationServer: string, machineIds: readonly string[]): void {
    this.#assigned = new Map(this.#assigned).set(replicationServer, machineIds);
    this.#revision += 1n;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #objectsOf(machineId: string): StagingObject[] {
    return this.objects.filter((object) => machineId === '' || object.machineId === machineId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }
}

async function* inOneMessage(objects: () => StagingObject[]) {
  yield { objects: objects() };
  await Promise.resolve();
}

function elapsed(milliseconds: number, signal: AbortSignal): Promise<void> {
  const over = AbortSignal.any([AbortSignal.timeout(milliseconds), signal]);
  const { promise, resolve } = Promise.withResolvers<void>();
  over.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
