/**
 * What a release leaves behind when Helm has removed its own: the objects that staging-controller made for machines and
 * its lease, and the Secrets of `ensure`. Volumes and Secrets are kept unless told, since a volume without the manager's CA is of no use:
 * a later release of the same name takes both up again.
 */
import {
  AppsV1Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  NetworkingV1Api,
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
} from '@kubernetes/client-node';
import { fromApi, isMissing } from '../cluster/api-failure.ts';
import { MANAGED_BY_LABEL, MANAGER_NAME, selectorOf, STAGING_MANAGER_NAME } from '../cluster/labels.ts';

const STAGING = { [MANAGED_BY_LABEL]: STAGING_MANAGER_NAME };
const OWN = { [MANAGED_BY_LABEL]: MANAGER_NAME };
const NATS = { 'app.kubernetes.io/component': 'nats' };
const CONTROLLER = { 'app.kubernetes.io/component': 'staging-controller' };

export interface RemovalScope {
  readonly namespace: string;
  readonly instance: string;
  /** Volumes with the replicas, NATS' volumes, and the Secrets too: nothing can be taken up again after that. */
  readonly withData: boolean;
  /** API version of TLSRoutes, where there may be some. */
  readonly tlsRouteVersion: string | null;
}

interface Kind {
  /** As people write it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Objects that are removed only when data are. */
  readonly isData: boolean;
  readonly list: (labelSelector: string) => Promise<KubernetesListObject<KubernetesObject>>;
  readonly remove: (name: string) => Promise<unknown>;
}

export interface Leftovers {
  /** `kind/name`. */
  readonly removed: readonly string[];
  readonly kept: readonly string[];
}

export class Removal {
  readonly #scope: RemovalScope;
  readonly #core: CoreV1Api;
  readonly #kinds: readonly Kind[];

  constructor(config: KubeConfig, scope: RemovalScope) {
    this.#scope = scope;
    this.#core = config.makeApiClient(CoreV1Api);
    this.#kinds = kindsOf(config, this.#core, scope);
  }

  /** Until its last pod is gone, staging-controller would make anew what is removed. */
  async controllerIsGone(): Promise<boolean> {
    const { namespace, instance } = this.#scope;
    try {
      const { items } = await this.#core.listNamespacedPod({
        namespace,
        labelSelector: selectorOf(instance, CONTROLLER),
      });
      return items.length === 0;
    } catch (thrown) {
      throw fromApi(thrown, 'list of the pods of staging-controller');
    }
  }

  async run(): Promise<Leftovers> {
    const removed: string[] = [];
    const kept: string[] = [];
    for (const kind of this.#kinds) {
      for (const name of await this.#namesOf(kind)) {
        const object = `${kind.name}/${name}`;
        if (kind.isData && !this.#scope.withData) kept.push(object);
        else if (await remove(kind, name)) removed.push(object);
      }
    }
    return { removed, kept };
  }

  async #namesOf({ name: kind, labels, list }: Kind): Promise<string[]> {
    try {
      const { items } = await list(selectorOf(this.#scope.instance, labels));
      return items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name !== '');
    } catch (thrown) {
      // A kind that this cluster does not have has no objects.
      if (isMissing(thrown)) return [];
      throw fromApi(thrown, `list of ${kind}`);
    }
  }
}

/** False: somebody else was faster. */
async function remove(kind: Kind, name: string): Promise<boolean> {
  try {
    await kind.remove(name);
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw fromApi(thrown, `removal of ${kind.name}/${name}`);
  }
}

/** In the order of their removal: first what makes pods, then what they need. */
function kindsOf(config: KubeConfig, core: CoreV1Api, { namespace, tlsRouteVersion }: RemovalScope): readonly Kind[] {
  const apps = config.makeApiClient(AppsV1Api);
  const coordination = config.makeApiClient(CoordinationV1Api);
  const networking = config.makeApiClient(NetworkingV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const [group = '', version = ''] = (tlsRouteVersion ?? '').split('/');
  const routes = { group, version, namespace, plural: 'tlsroutes' };
  const claims = {
    name: 'persistentvolumeclaim',
    isData: true,
    list: (labelSelector: string) => core.listNamespacedPersistentVolumeClaim({ namespace, labelSelector }),
    remove: (name: string) => core.deleteNamespacedPersistentVolumeClaim({ namespace, name }),
  };
  const secrets = {
    name: 'secret',
    list: (labelSelector: string) => core.listNamespacedSecret({ namespace, labelSelector }),
    remove: (name: string) => core.deleteNamespacedSecret({ namespace, name }),
  };
  const tlsRoutes: Kind = {
    name: 'tlsroute',
    labels: STAGING,
    isData: false,
    list: (labelSelector) =>
      custom.listNamespacedCustomObject({ ...routes, labelSelector }) as Promise<
        KubernetesListObject<KubernetesObject>
      >,
    remove: (name) => custom.deleteNamespacedCustomObject({ ...routes, name }),
  };
  return [
    {
      name: 'statefulset',
      labels: STAGING,
      isData: false,
      list: (labelSelector) => apps.listNamespacedStatefulSet({ namespace, labelSelector }),
      remove: (name) => apps.deleteNamespacedStatefulSet({ namespace, name }),
    },
    {
      name: 'service',
      labels: STAGING,
      isData: false,
      list: (labelSelector) => core.listNamespacedService({ namespace, labelSelector }),
      remove: (name) => core.deleteNamespacedService({ namespace, name }),
    },
    ...(tlsRouteVersion === null ? [] : [tlsRoutes]),
    {
      name: 'networkpolicy',
      labels: STAGING,
      isData: false,
      list: (labelSelector) => networking.listNamespacedNetworkPolicy({ namespace, labelSelector }),
      remove: (name) => networking.deleteNamespacedNetworkPolicy({ namespace, name }),
    },
    {
      name: 'lease',
      labels: STAGING,
      isData: false,
      list: (labelSelector) => coordination.listNamespacedLease({ namespace, labelSelector }),
      remove: (name) => coordination.deleteNamespacedLease({ namespace, name }),
    },
    { ...secrets, labels: STAGING, isData: false },
    { ...claims, labels: STAGING },
    { ...claims, labels: NATS },
    { ...secrets, labels: OWN, isData: true },
  ];
}
