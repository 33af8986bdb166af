/**
 * The objects of one machine, as they are to be. Pure: the same settings and the same machine give the same manifests, and
 * so the same fingerprint, in every replica and after every restart.
 */
import { blockStreamServerName } from '@lms/identity';
import { BLOCK_STREAM_PORT } from '@lms/network';
import { digest, type KeptClaim } from './kept.ts';
import {
  addressServiceName,
  ENROLLED_ANNOTATION,
  FINGERPRINT_ANNOTATION,
  labelsOf,
  objectName,
  selectorLabels,
  TOKEN_EXPIRES_ANNOTATION,
  TOKEN_MADE_ANNOTATION,
  type AddressKind,
} from './names.ts';
import { formatBytes } from './quantity.ts';
import { NETWORK_POLICY, SECRET, SERVICE, tlsRoute, VOLUME_CLAIM, type Manifest, type Resource } from './resource.ts';
import type { KubernetesSettings } from './settings.ts';

/** In the bootstrap secret. */
export const TOKEN_KEY = 'token';
/** The registry knows no such token: a server that has lost its identity says so, and gets a new one. */
const SPENT_TOKEN = 'spent';

export function volumeBytes({ storage }: KubernetesSettings, diskBytes: readonly number[]): number {
  const replica = diskBytes.reduce((sum, bytes) => sum + bytes, 0);
  return Math.ceil(replica * storage.sizeFactor) + storage.overheadBytes;
}

/**
 * `existing`: what cannot change any more is repeated as it is. A volume never shrinks, and grows only once it is there:
 * the size of a claim that waits for its volume cannot be changed.
 */
export function claimManifest(
  settings: KubernetesSettings,
  machineId: string,
  bytes: number,
  existing: KeptClaim | null,
): Manifest {
  const className = existing === null ? settings.storage.className : existing.className;
  const canGrow = existing === null || existing.phase === 'Bound';
  const requested = Math.max(canGrow ? bytes : 0, existing?.requestedBytes ?? 0);
  const manifest = (storageClassName: string | null): Manifest => ({
    ...head(settings, VOLUME_CLAIM, objectName(settings, machineId), machineId),
    spec: {
      accessModes: existing?.accessModes ?? [settings.storage.accessMode],
      volumeMode: 'Filesystem',
      ...(storageClassName !== null && { storageClassName }),
      resources: { requests: { storage: formatBytes(requested) } },
    },
  });
  // A default class that the server filled in is no difference of ours.
  return withFingerprint(manifest(className), manifest(null));
}

export function networkPolicyManifest(settings: KubernetesSettings, machineId: string): Manifest {
  const { ingressFrom, egress } = settings.networkPolicy;
  return withFingerprint({
    ...head(settings, NETWORK_POLICY, objectName(settings, machineId), machineId),
    spec: {
      podSelector: { matchLabels: selectorLabels(settings, machineId) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          ports: [{ protocol: 'TCP', port: BLOCK_STREAM_PORT }],
          ...(ingressFrom.length > 0 && { from: ingressFrom }),
        },
      ],
      egress,
    },
  });
}

export interface BootstrapToken {
  readonly secret: string;
  readonly madeAt: Date;
  readonly expiresAt: Date;
}

/** Null: the server has its certificate. What is not needed cannot be stolen. */
export function secretManifest(
  settings: KubernetesSettings,
  machineId: string,
  token: BootstrapToken | null,
): Manifest {
  const base = head(settings, SECRET, objectName(settings, machineId), machineId);
  const annotations =
    token === null
      ? { [ENROLLED_ANNOTATION]: 'true' }
      : {
          [TOKEN_MADE_ANNOTATION]: token.madeAt.toISOString(),
          [TOKEN_EXPIRES_ANNOTATION]: token.expiresAt.toISOString(),
        };
  return {
    ...base,
    metadata: { ...base.metadata, annotations },
    type: 'Opaque',
    data: { [TOKEN_KEY]: Buffer.from(token?.secret ?? SPENT_TOKEN).toString('base64') },
  };
}

/** What a StatefulSet's pod is called by, and what routers find it by. */
export function serviceManifest(settings: KubernetesSettings, machineId: string): Manifest {
  return withFingerprint({
    ...head(settings, SERVICE, objectName(settings, machineId), machineId),
    spec: { clusterIP: 'None', selector: selectorLabels(settings, machineId), ports: [BLOCK_STREAM_SERVICE_PORT] },
  });
}

const BLOCK_STREAM_SERVICE_PORT = {
  name: 'block-stream',
  protocol: 'TCP',
  port: BLOCK_STREAM_PORT,
  targetPort: 'block-stream',
} as const;

/** Empty: machines share their addresses in this mode. */
export function addressServiceManifests(settings: KubernetesSettings, machineId: string): readonly Manifest[] {
  const { exposure } = settings;
  if (exposure.mode === 'nodePort') {
    const { annotations } = exposure;
    const spec = { type: 'NodePort', externalTrafficPolicy: 'Cluster' };
    return [addressServiceManifest(settings, machineId, 'public', annotations, spec)];
  }
  if (exposure.mode !== 'loadBalancer') return [];
  return (['public', 'private'] as const).flatMap((kind) => {
    const balancer = exposure[kind];
    if (balancer === null) return [];
    const { annotations, loadBalancerClass } = balancer;
    const spec = {
      type: 'LoadBalancer',
      ...(loadBalancerClass !== null && { loadBalancerClass }),
      // So that the source's address is in the logs, not a node's.
      externalTrafficPolicy: 'Local',
    };
    return [addressServiceManifest(settings, machineId, kind, annotations, spec)];
  });
}

function addressServiceManifest(
  settings: KubernetesSettings,
  machineId: string,
  kind: AddressKind,
  annotations: Readonly<Record<string, string>>,
  spec: Readonly<Record<string, string>>,
): Manifest {
  const base = head(settings, SERVICE, addressServiceName(settings, machineId, kind), machineId);
  const selector = selectorLabels(settings, machineId);
  return withFingerprint({
    ...base,
    metadata: { ...base.metadata, annotations },
    spec: { ...spec, selector, ports: [BLOCK_STREAM_SERVICE_PORT] },
  });
}

/** Null: no Gateway routes to machines in this mode. */
export function tlsRouteManifest(settings: KubernetesSettings, machineId: string): Manifest | null {
  const { exposure } = settings;
  if (exposure.mode !== 'tlsroute') return null;
  const name = objectName(settings, machineId);
  return withFingerprint({
    ...head(settings, tlsRoute(exposure.apiVersion), name, machineId),
    spec: {
      parentRefs: exposure.parentRefs,
      hostnames: [blockStreamServerName(machineId)],
      rules: [{ backendRefs: [{ name, port: BLOCK_STREAM_PORT }] }],
    },
  });
}

export function head(settings: KubernetesSettings, resource: Resource, name: string, machineId: string): Manifest {
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    metadata: { name, namespace: settings.namespace, labels: labelsOf(settings, machineId) },
  };
}

/** `like`: what the fingerprint is made of, where that is not the manifest itself. */
export function withFingerprint(manifest: Manifest, like: Manifest = manifest): Manifest {
  const annotations = { ...manifest.metadata.annotations, [FINGERPRINT_ANNOTATION]: digest(like) };
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

export function fingerprintOf({ metadata }: Manifest): string | null {
  return metadata.annotations?.[FINGERPRINT_ANNOTATION] ?? null;
}
