/** The kinds of objects that this controller works with, and where the API server has them. */
export interface Resource {
  readonly kind: string;
  readonly apiVersion: string;
  /** In paths. */
  readonly plural: string;
}

export const VOLUME_CLAIM = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', plural: 'persistentvolumeclaims' };
export const SECRET = { kind: 'Secret', apiVersion: 'v1', plural: 'secrets' };
export const SERVICE = { kind: 'Service', apiVersion: 'v1', plural: 'services' };
export const POD = { kind: 'Pod', apiVersion: 'v1', plural: 'pods' };
export const EVENT = { kind: 'Event', apiVersion: 'v1', plural: 'events' };
export const STATEFUL_SET = { kind: 'StatefulSet', apiVersion: 'apps/v1', plural: 'statefulsets' };
export const NETWORK_POLICY = {
  kind: 'NetworkPolicy',
  apiVersion: 'networking.k8s.io/v1',
  plural: 'networkpolicies',
};
export const LEASE = { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', plural: 'leases' };

export const GATEWAY_API_GROUP = 'gateway.networking.k8s.io';
export const TLS_ROUTES = 'tlsroutes';

/** Its version depends on which Gateway API the cluster has. */
export function tlsRoute(apiVersion: string): Resource {
  return { kind: 'TLSRoute', apiVersion, plural: TLS_ROUTES };
}

export function pathOf({ apiVersion, plural }: Resource, namespace: string, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const collection = `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
  return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`;
}

/** What is sent: only the fields that we mean to own. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [part: string]: unknown;
}

/** The part of an object as it is that all kinds have. */
export interface ApiObject {
  readonly metadata?: {
    readonly name?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly managedFields?: readonly {
      readonly manager?: string;
      readonly operation?: string;
      readonly fieldsV1?: unknown;
    }[];
  };
}
