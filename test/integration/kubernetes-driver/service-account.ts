/** A service account with a Role of its own, as the chart makes one for staging-controller. */
import { RbacAuthorizationV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { ClusterArea } from './cluster-area.ts';

export interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
}

const WATCH = ['get', 'list', 'watch'];
const MAKE = [...WATCH, 'create', 'patch', 'delete'];

/** As docs/kubernetes-driver.md lists them, which also says what for. */
export const CONTROLLER_RULES: readonly Rule[] = [
  { apiGroups: [''], resources: ['persistentvolumeclaims', 'secrets', 'services'], verbs: MAKE },
  { apiGroups: [''], resources: ['pods', 'events'], verbs: WATCH },
  { apiGroups: ['apps'], resources: ['statefulsets'], verbs: MAKE },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: MAKE },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
];

export const TLS_ROUTE_RULE: Rule = {
  apiGroups: ['gateway.networking.k8s.io'],
  resources: ['tlsroutes'],
  verbs: MAKE,
};

/** The usual rules, less what is about this resource. */
export function rulesWithout(resource: string): readonly Rule[] {
  return CONTROLLER_RULES.map((rule) => ({
    ...rule,
    resources: rule.resources.filter((name) => name !== resource),
  })).filter(({ resources }) => resources.length > 0);
}

export class ServiceAccount {
  readonly kubeConfig: KubeConfig;
  readonly #rights: RbacAuthorizationV1Api;
  readonly #role: { readonly name: string; readonly namespace: string };

  private constructor(kubeConfig: KubeConfig, rights: RbacAuthorizationV1Api, namespace: string, name: string) {
    this.kubeConfig = kubeConfig;
    this.#rights = rights;
    this.#role = { name, namespace };
  }

  static async create(area: ClusterArea, rules: readonly Rule[]): Promise<ServiceAccount> {
    const { namespace, core, server } = area;
    const rights = server.adminConfig(namespace).makeApiClient(RbacAuthorizationV1Api);
    const name = 'staging-controller';
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    await rights.createNamespacedRole({ namespace, body: { metadata: { name }, rules: [...rules] } });
    await rights.createNamespacedRoleBinding({
      namespace,
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    });
    const { status } = await core.createNamespacedServiceAccountToken({
      name,
      namespace,
      body: { spec: { audiences: ['https://kubernetes.default.svc'] } },
    });
    if (status?.token === undefined) throw new Error('no token');
    return new ServiceAccount(server.configFor(status.token, namespace), rights, namespace, name);
  }

  /** Instead of what it had. */
  async grant(rules: readonly Rule[]): Promise<void> {
    const body = { metadata: { name: this.#role.name }, rules: [...rules] };
    await this.#rights.replaceNamespacedRole({ ...this.#role, body });
  }
}
