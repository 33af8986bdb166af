/**
 * The driver of a cluster: a replication server in a pod of its own for each machine, made through the API server.
 *
 * Every replica watches; one holds the lease and writes. Which machines there are is also read from labels, so that a
 * manager which has lost its state finds everything again, and nothing is ever deleted because nobody spoke of it.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { LmsError } from '@lms/errors';
import { blockStreamServerName } from '@lms/identity';
import { TokenPurpose, type ComponentReport, type RegistryService, type Route } from '@lms/proto';
import type { RpcClient } from '@lms/rpc';
import type { Logger } from '@lms/telemetry';
import type { FoundWays } from '../block-stream-ways.ts';
import type { DriverServer, StagingDriver, WantedStaging } from '../driver.ts';
import type { ServerAddress } from '../store.ts';
import { KubernetesApi } from './api.ts';
import { ClusterView } from './cluster-view.ts';
import { ApiConnection } from './connection.ts';
import { diagnose } from './diagnose.ts';
import { routeOf, waysOf } from './exposure.ts';
import { DEFAULT_LEASE_TIMES, LeaderElection, type LeaseTimes } from './lease.ts';
import type { BootstrapToken } from './manifests.ts';
import { controllerLabels, serverNameOf } from './names.ts';
import { Reconciler } from './reconciler.ts';
import { RequestLimiter } from './request-limiter.ts';
import type { KubernetesSettings } from './settings.ts';

/** Pulling an image can take long; renewed while it is needed. */
const TOKEN_LIFE_SECONDS = 60 * 60;
/** In one row of `lms status`. */
const TROUBLES_TOLD = 3;

export interface KubernetesConfiguration {
  readonly settings: KubernetesSettings;
  /** Who holds the lease: the pod's name. */
  readonly identity: string;
  /** Default: KUBECONFIG, ~/.kube/config, or the pod's service account. */
  readonly kubeConfig?: KubeConfig;
  /** Default: `DEFAULT_LEASE_TIMES`. */
  readonly leaseTimes?: LeaseTimes;
}

export interface KubernetesDriverOptions {
  readonly kubernetes: KubernetesConfiguration & { readonly kubeConfig: KubeConfig };
  readonly registry: Pick<RpcClient<typeof RegistryService>, 'createToken' | 'getTrust'>;
  readonly logger: Logger;
}

export class KubernetesDriver implements StagingDriver {
  /** Its server goes first, and everything else after it. */
  readonly removesThroughServer = false;
  readonly hasNetworkPolicies: boolean;
  readonly #options: KubernetesDriverOptions;
  readonly place = 'kubernetes';
  readonly #settings: KubernetesSettings;
  readonly #api: KubernetesApi;
  readonly #view: ClusterView;
  readonly #reconciler: Reconciler;
  readonly #election: LeaderElection;
  readonly #stopping = new AbortController();
  #listener: (machineId: string | null) => void = () => undefined;
  #running: Promise<unknown> = Promise.resolve();
  #wanted: WantedStaging = { machines: new Map(), removed: new Set() };
  #caSha256: string | null = null;

  constructor(options: KubernetesDriverOptions) {
    const { kubernetes, logger } = options;
    const { settings, identity, kubeConfig, leaseTimes = DEFAULT_LEASE_TIMES } = kubernetes;
    this.#options = options;
    this.#settings = settings;
    this.hasNetworkPolicies = settings.networkPolicy.enabled;
    this.#api = new KubernetesApi(
      new ApiConnection(kubeConfig),
      new RequestLimiter(settings.limits),
      settings.namespace,
    );
    this.#view = new ClusterView({
      api: this.#api,
      settings,
      logger,
      onChange: (machineId) => {
        this.#reconciler.mark(machineId);
        this.#listener(machineId);
      },
    });
    this.#reconciler = new Reconciler({
      api: this.#api,
      view: this.#view,
      settings,
      logger,
      holdsLease: () => this.#election.holds,
      caSha256: (signal) => this.#findCaSha256(signal),
      createToken: (machineId, signal) => this.#createToken(machineId, signal),
      onChange: (machineId) => this.#listener(machineId),
    });
    this.#election = new LeaderElection({
      api: this.#api,
      name: `${settings.fullName}-staging-controller`,
      labels: controllerLabels(settings),
      identity,
      times: leaseTimes,
      logger,
      lead: async (term) => {
        this.#listener(null);
        await this.#reconciler.run(term);
      },
    });
  }

  /** Before everything is listed, what is not seen is not known to be missing. */
  get leads(): boolean {
    return this.#election.holds && this.#view.synced;
  }

  get sees(): boolean {
    return this.#view.synced;
  }

  /** Objects written and deleted since the start. */
  get writes(): number {
    return this.#api.writes;
  }

  /** All that is wanted has been looked at. */
  get idle(): boolean {
    return this.#reconciler.idle;
  }

  /** Returns at once: an API server that is away now must not keep the service from serving. */
  start(): Promise<void> {
    const { signal } = this.#stopping;
    this.#running = Promise.all([this.#view.run(signal), this.#election.run(signal)]);
    return Promise.resolve();
  }

  serverOf(machineId: string): string {
    return serverNameOf(machineId);
  }

  machineOf(server: string): string | null {
    return machineOfServer(server);
  }

  found(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const machineId of this.#view.machineIds()) {
      // A warning that has outlived its object is no machine.
      if (this.#view.objects(machineId).length > 0) found.set(machineId, serverNameOf(machineId));
    }
    return found;
  }

  run(wanted: WantedStaging): void {
    this.#wanted = wanted;
    this.#reconciler.want(wanted);
  }

  observe(name: string): DriverServer | null {
    const machineId = machineOfServer(name);
    if (machineId === null) return null;
    return diagnose({
      observed: this.#view.observe(machineId),
      warnings: this.#view.warnings(machineId),
      changeFailure: this.#reconciler.failureOf(machineId),
      wantsPolicy: this.hasNetworkPolicies,
      now: new Date(),
    });
  }

  waysOf(name: string, reported: ServerAddress): FoundWays {
    const machineId = machineOfServer(name);
    if (machineId === null) {
      // Not one of ours: of the time before this driver.
      const endpoint = { host: reported.address, port: reported.port };
      return { public: endpoint, private: endpoint, prefer: 'public' };
    }
    // Half of the addresses would take agents away from the other half; of none, they keep what they have.
    const services = this.#view.synced ? this.#view.observe(machineId).services : [];
    return waysOf(this.#settings, machineId, { services });
  }

  /** What has a Service for each machine has no address before there is one. */
  usualWays(): FoundWays {
    return waysOf(this.#settings, '', { services: [] });
  }

  routes(): readonly Route[] {
    const routes: Route[] = [];
    for (const machineId of this.#view.machineIds()) {
      if (this.#wanted.removed.has(machineId)) continue;
      const route = routeOf(this.#settings, machineId, this.#view.observe(machineId));
      if (route !== null) routes.push(route);
    }
    return routes;
  }

  objects(machineId?: string) {
    return this.#view
      .objects(machineId)
      .map(({ kind, name, machineId: owner }) => ({ kind, name, machineId: owner ?? '' }));
  }

  reports(ready: (name: string) => boolean): readonly ComponentReport[] {
    return [this.#reportServers(ready), this.#reportCluster()];
  }

  onChange(listener: (machineId: string | null) => void): void {
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LmsError('CANCELLED', 'staging-controller is stopping'));
    await this.#running;
    await this.#api.close();
  }

  #reportServers(ready: (name: string) => boolean): ComponentReport {
    const troubles: string[] = [];
    let count = 0;
    for (const machineId of this.#view.machineIds()) {
      if (this.#wanted.removed.has(machineId)) continue;
      const name = serverNameOf(machineId);
      const server = this.observe(name);
      count += 1;
      if (server === null || (server.running && server.failure === null && ready(name))) continue;
      troubles.push(`${name}: ${server.failure?.message ?? 'it has not said that it listens'}`);
    }
    const more = troubles.length > TROUBLES_TOLD ? `; and ${troubles.length - TROUBLES_TOLD} more` : '';
    const told = `${troubles.length} of ${count} do not run: ${troubles.slice(0, TROUBLES_TOLD).join('; ')}${more}`;
    return {
      name: 'replication-server',
      pid: undefined,
      healthy: troubles.length === 0,
      detail: troubles.length === 0 ? `${count} run` : told,
    };
  }

  #reportCluster(): ComponentReport {
    const { healthy, detail } = this.#view.health();
    const { holder, failure } = this.#election;
    const led = holder === null ? 'no staging-controller leads' : `${holder} leads`;
    return {
      name: 'kubernetes',
      pid: undefined,
      healthy: healthy && failure === null && holder !== null,
      detail: detail ?? failure ?? led,
    };
  }

  async #findCaSha256(signal: AbortSignal): Promise<string> {
    this.#caSha256 ??= (await this.#options.registry.getTrust({}, { signal })).caSha256;
    return this.#caSha256;
  }

  async #createToken(machineId: string, signal: AbortSignal): Promise<BootstrapToken> {
    const madeAt = new Date();
    const { secret, token } = await this.#options.registry.createToken(
      {
        purpose: TokenPurpose.REPLICATION_SERVER,
        name: `replication server ${serverNameOf(machineId)}`,
        uses: 1,
        expiresInSeconds: TOKEN_LIFE_SECONDS,
        dnsNames: [blockStreamServerName(machineId)],
      },
      { signal },
    );
    const expiresAt = token?.expiresAt ?? new Date(madeAt.getTime() + TOKEN_LIFE_SECONDS * 1_000);
    return { secret, madeAt, expiresAt };
  }
}

function machineOfServer(name: string): string | null {
  return /^rs-(m-[0-9a-f]{20})$/.exec(name)?.[1] ?? null;
}
