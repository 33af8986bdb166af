/** What the cluster shows now, by machine. One list and one watch for each kind; every replica has the whole picture. */
import { toLmsError } from '@lms/errors';
import { combineHealth, type Health } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { KubernetesApi, Selection } from './api.ts';
import {
  keepClaim,
  keepObject,
  keepSecret,
  keepService,
  keepStatefulSet,
  type KeptClaim,
  type KeptObject,
  type KeptSecret,
  type KeptService,
  type KeptStatefulSet,
} from './kept.ts';
import { keepPod, keepWarning, type KeptPod, type KeptWarning } from './kept-pod.ts';
import { releaseSelector } from './names.ts';
import { keyOf, type ObservedMachine } from './plan-machine.ts';
import {
  EVENT,
  GATEWAY_API_GROUP,
  NETWORK_POLICY,
  POD,
  SECRET,
  SERVICE,
  STATEFUL_SET,
  TLS_ROUTES,
  tlsRoute,
  VOLUME_CLAIM,
  type ApiObject,
  type Resource,
} from './resource.ts';
import { findServedVersion } from './served-kinds.ts';
import type { KubernetesSettings } from './settings.ts';
import { WatchedKind } from './watched-kind.ts';

/** Of one machine: an object that fails again and again gets a new event only now and then. */
const WARNINGS_MAX = 16;

interface MachineObjects {
  /** By kind and name. */
  readonly objects: Map<string, KeptObject>;
  readonly warnings: Set<KeptWarning>;
  readonly drifted: Set<string>;
}

export interface ClusterViewOptions {
  readonly api: KubernetesApi;
  readonly settings: KubernetesSettings;
  readonly logger: Logger;
  readonly onChange: (machineId: string) => void;
}

export class ClusterView {
  #routeResource: Resource | null;
  /** Routes that an earlier exposure made, and that nobody wants now; null: this cluster has no such kind. */
  #leftovers: WatchedKind<KeptObject> | null = null;
  readonly #options: ClusterViewOptions;
  readonly #machines = new Map<string, MachineObjects>();
  readonly #kinds: readonly WatchedKind<KeptObject>[];
  readonly #events: WatchedKind<KeptWarning>;
  /** With our labels, and of no machine that a label names: never touched, only listed. */
  readonly #strangers = new Map<string, KeptObject>();

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    const { settings } = options;
    this.#routeResource = settings.exposure.mode === 'tlsroute' ? tlsRoute(settings.exposure.apiVersion) : null;
    this.#kinds = [
      this.#watched(VOLUME_CLAIM, keepClaim),
      this.#watched(STATEFUL_SET, keepStatefulSet),
      this.#watched(SECRET, keepSecret),
      this.#watched(SERVICE, keepService),
      this.#watched(NETWORK_POLICY, (object) => keepObject('NetworkPolicy', object)),
      this.#watched(POD, keepPod),
      ...(this.#routeResource === null ? [] : [this.#watchedRoutes(this.#routeResource)]),
    ];
    this.#events = new WatchedKind<KeptWarning>({
      api: options.api,
      logger: options.logger,
      resource: EVENT,
      selection: { fieldSelector: 'type=Warning' },
      keep: (object) => keepWarning(settings, object),
      onChange: (after, before) => this.#warned(after, before),
    });
  }

  /** Whether all kinds have been listed: before that, what is not seen is not known to be missing. */
  get synced(): boolean {
    return this.#kinds.every((kind) => kind.synced) && this.#events.synced;
  }

  health(): Health {
    return combineHealth([...this.#kinds, this.#events].map((kind) => kind.health()));
  }

  async run(signal: AbortSignal): Promise<void> {
    const leftovers = this.#routeResource === null ? this.#watchLeftovers(signal) : Promise.resolve();
    await Promise.all([...this.#kinds.map((kind) => kind.run(signal)), this.#events.run(signal), leftovers]);
  }

  /** Null: none can be there. */
  get routeResource(): Resource | null {
    return this.#routeResource;
  }

  /** Nothing waits for this, and what it cannot do is no trouble: most clusters have never had a route. */
  async #watchLeftovers(signal: AbortSignal): Promise<void> {
    const { api, logger } = this.#options;
    try {
      const apiVersion = await findServedVersion(api, GATEWAY_API_GROUP, TLS_ROUTES, signal);
      if (apiVersion === null) return;
      const resource = tlsRoute(apiVersion);
      // Asked once whether it may be seen at all.
      for await (const _page of api.list(resource, this.#selection, signal)) break;
      this.#routeResource = resource;
      this.#leftovers = this.#watchedRoutes(resource);
    } catch (thrown) {
      const { code, message } = toLmsError(thrown);
      if (!signal.aborted) logger.info({ code }, `routes of an earlier exposure are not looked for: ${message}`);
      return;
    }
    await this.#leftovers.run(signal);
  }

  /** Machines that have any object here. */
  machineIds(): Iterable<string> {
    return this.#machines.keys();
  }

  /** All objects of one machine, or of all; with those that our labels are on and that no machine owns. */
  objects(machineId?: string): readonly KeptObject[] {
    if (machineId !== undefined) return [...(this.#machines.get(machineId)?.objects.values() ?? [])];
    return [...this.#machines.values()]
      .flatMap(({ objects }) => [...objects.values()])
      .concat([...this.#strangers.values()]);
  }

  observe(machineId: string): ObservedMachine {
    const machine = this.#machines.get(machineId);
    const objects = [...(machine?.objects.values() ?? [])];
    const find = <Kept extends KeptObject>(kind: string): Kept | null =>
      (objects.find((object) => object.kind === kind) as Kept | undefined) ?? null;
    return {
      claim: find<KeptClaim>('PersistentVolumeClaim'),
      secret: find<KeptSecret>('Secret'),
      services: objects.filter((object) => object.kind === 'Service') as KeptService[],
      policy: find('NetworkPolicy'),
      routes: objects.filter((object) => object.kind === 'TLSRoute'),
      statefulSet: find<KeptStatefulSet>('StatefulSet'),
      pod: find<KeptPod>('Pod'),
      drifted: machine?.drifted ?? new Set(),
    };
  }

  warnings(machineId: string): readonly KeptWarning[] {
    return [...(this.#machines.get(machineId)?.warnings ?? [])];
  }

  /** The answer to an apply of ours: known before the watch tells it. */
  applied(resource: Resource, object: ApiObject): void {
    this.#kinds.find(({ kind }) => kind === resource.kind)?.put(object);
  }

  get #selection(): Selection {
    return { labelSelector: releaseSelector(this.#options.settings) };
  }

  #watchedRoutes(resource: Resource): WatchedKind<KeptObject> {
    return this.#watched(resource, (object) => keepObject('TLSRoute', object));
  }

  #watched<Kept extends KeptObject>(resource: Resource, keep: (object: ApiObject) => Kept): WatchedKind<KeptObject> {
    return new WatchedKind<KeptObject>({
      api: this.#options.api,
      logger: this.#options.logger,
      resource,
      selection: this.#selection,
      keep,
      onChange: (after, before, ours) => this.#changed(after, before, ours),
    });
  }

  #changed(after: KeptObject | null, before: KeptObject | null, ours: boolean): void {
    const object = after ?? before;
    if (object === null) return;
    if (before !== null && before.machineId !== after?.machineId) this.#forget(before);
    if (after === null) return;
    if (after.machineId === null) {
      this.#strangers.set(keyOf(after), after);
      return;
    }
    const machine = this.#machineOf(after.machineId);
    machine.objects.set(keyOf(after), after);
    const taken =
      before !== null && after.fingerprint === before.fingerprint && after.ownedFields !== before.ownedFields;
    if (ours) machine.drifted.delete(keyOf(after));
    else if (taken && after.fingerprint !== null) machine.drifted.add(keyOf(after));
    this.#options.onChange(after.machineId);
  }

  #forget(object: KeptObject): void {
    this.#strangers.delete(keyOf(object));
    if (object.machineId === null) return;
    const machine = this.#machineOf(object.machineId);
    machine.objects.delete(keyOf(object));
    machine.drifted.delete(keyOf(object));
    this.#dropIfEmpty(object.machineId, machine);
    this.#options.onChange(object.machineId);
  }

  #warned(after: KeptWarning | null, before: KeptWarning | null): void {
    for (const warning of [before, after]) {
      if (warning === null) continue;
      const machine = this.#machineOf(warning.machineId);
      if (warning === after) machine.warnings.add(warning);
      else machine.warnings.delete(warning);
      while (machine.warnings.size > WARNINGS_MAX) {
        const [oldest] = machine.warnings;
        if (oldest !== undefined) machine.warnings.delete(oldest);
      }
      this.#dropIfEmpty(warning.machineId, machine);
      this.#options.onChange(warning.machineId);
    }
  }

  #machineOf(machineId: string): MachineObjects {
    const known = this.#machines.get(machineId);
    if (known !== undefined) return known;
    const machine = { objects: new Map(), warnings: new Set<KeptWarning>(), drifted: new Set<string>() };
    this.#machines.set(machineId, machine);
    return machine;
  }

  #dropIfEmpty(machineId: string, { objects, warnings }: MachineObjects): void {
    if (objects.size === 0 && warnings.size === 0) this.#machines.delete(machineId);
  }
}
