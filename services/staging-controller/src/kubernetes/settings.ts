/**
 * What the chart tells about the pods to make: one mounted file, JSON or YAML, checked as a whole at the start, so that
 * a mistake in it is one sentence in the log and never a thousand refused objects.
 */
import { LmsError } from '@lms/errors';
import { BLOCK_STREAM_PORT } from '@lms/network';
import { readConfiguredFile } from '@lms/service';
import { parse } from 'yaml';
import { z } from 'zod';

const GIBIBYTE = 1024 ** 3;
const MEBIBYTE = 1024 ** 2;
const PORT = z.int().min(1).max(65_535);
const DNS_LABEL = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label in lower case');
/** `<fullName>-rs-<machine id>` plus the 11 characters that a StatefulSet's revision adds must fit a label of 63. */
const FULL_NAME_LENGTH_MAX = 26;
const HOST = z.string().min(1).max(253);
const TEXTS = z.record(z.string(), z.string());
/** Parts of a manifest that go to the API server as they are: it has the schema for them. */
const MANIFEST = z.record(z.string(), z.json());

const RESTRICTED_POD = {
  runAsNonRoot: true,
  runAsUser: 65_532,
  runAsGroup: 65_532,
  fsGroup: 65_532,
  // A volume of many files must not be walked through at each start.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
};
const RESTRICTED_CONTAINER = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

const REPLICATION_SERVER = z.strictObject({
  image: z.string().min(1),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  imagePullSecrets: z.array(z.string()).default([]),
  serviceAccountName: z.string().default('default'),
  resources: MANIFEST.default({}),
  nodeSelector: TEXTS.default({}),
  tolerations: z.array(MANIFEST).default([]),
  affinity: MANIFEST.default({}),
  topologySpreadConstraints: z.array(MANIFEST).default([]),
  priorityClassName: z.string().nullable().default(null),
  runtimeClassName: z.string().nullable().default(null),
  podAnnotations: TEXTS.default({}),
  podLabels: TEXTS.default({}),
  podSecurityContext: MANIFEST.default(RESTRICTED_POD),
  securityContext: MANIFEST.default(RESTRICTED_CONTAINER),
  terminationGracePeriodSeconds: z.int().min(1).max(600).default(30),
  /** Added to what the controller sets itself: telemetry, log level, proxy. */
  environment: TEXTS.default({}),
  /** The same from keys of Secrets, by the variable's name: credentials of a collector. */
  secretEnvironment: z
    .record(z.string(), z.strictObject({ secret: z.string().min(1), key: z.string().min(1) }))
    .default({}),
  /** Of grpc.health.v1 in plain text, for kubelet's probes. */
  healthPort: PORT.default(8081),
});

/**
 * A machine reaches its replication server by a public address, by a private one, or by both at the same time:
 *
 *     exposure:
 *       mode: router                                           # or tlsroute, with parentRefs for both ways in
 *       advertise:                                             # one of them, or both
 *         public: { host: stream.example.com, port: 1500 }     # where router.service leads
 *         private: { host: 10.20.0.15, port: 1500 }            # where router.privateService leads
 *       prefer: public                                         # or private: what agents try first; default public
 *
 *     exposure: { mode: loadBalancer, public: { annotations: {} }, private: { annotations: {}, loadBalancerClass: … } }
 *     exposure: { mode: nodePort, advertise: { public: { host: … }, private: { host: … } } }
 *
 * A way that is not there is left out, or null. The form with one address is still understood, and means the public one:
 * `advertise: { host, port }`, and `annotations` and `loadBalancerClass` beside `mode: loadBalancer`.
 */
const waysOf = <Way extends z.ZodType>(way: Way) => ({
  public: way.nullable().default(null),
  private: way.nullable().default(null),
});
const hasWay = (ways: { readonly public: unknown; readonly private: unknown }): boolean =>
  ways.public !== null || ways.private !== null;
const NO_WAY = 'needs public, private or both';
const PREFER = z.enum(['public', 'private']).default('public');

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const asPublic = (value: unknown): unknown => (isRecord(value) && 'host' in value ? { public: value } : value);
const advertise = <Address extends z.ZodType>(address: Address) =>
  z.preprocess(asPublic, z.strictObject(waysOf(address)).refine(hasWay, NO_WAY));
const ADVERTISE = advertise(z.strictObject({ host: HOST, port: PORT.default(BLOCK_STREAM_PORT) }));

const LOAD_BALANCER = z.strictObject({
  annotations: TEXTS.default({}),
  loadBalancerClass: z.string().nullable().default(null),
});
const hasOneLoadBalancer = (value: unknown): boolean =>
  isRecord(value) && value['mode'] === 'loadBalancer' && !('public' in value) && !('private' in value);
function withPublicLoadBalancer(value: unknown): unknown {
  if (!isRecord(value) || !hasOneLoadBalancer(value)) return value;
  const { mode, prefer, ...balancer } = value;
  return { mode, prefer, public: balancer };
}

const EXPOSURE = z.preprocess(
  withPublicLoadBalancer,
  z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('router'), prefer: PREFER, advertise: ADVERTISE }),
    z.strictObject({
      mode: z.literal('tlsroute'),
      prefer: PREFER,
      advertise: ADVERTISE,
      parentRefs: z.array(MANIFEST).min(1),
      apiVersion: z
        .enum([
          'gateway.networking.k8s.io/v1alpha2',
          'gateway.networking.k8s.io/v1alpha3',
          'gateway.networking.k8s.io/v1',
        ])
        .default('gateway.networking.k8s.io/v1alpha2'),
    }),
    z
      .strictObject({ mode: z.literal('loadBalancer'), prefer: PREFER, ...waysOf(LOAD_BALANCER) })
      .refine(hasWay, NO_WAY),
    /**
     * Nodes are no objects of a namespace, so which address leads to them is told and not looked up. Both ways share one
     * Service: its port is open on every address of a node, and a cluster has fewer than three thousand of them.
     */
    z.strictObject({
      mode: z.literal('nodePort'),
      prefer: PREFER,
      advertise: advertise(z.strictObject({ host: HOST })),
      annotations: TEXTS.default({}),
    }),
  ]),
);

export const KUBERNETES_SETTINGS = z.strictObject({
  namespace: DNS_LABEL,
  /** The release's name, as in the label app.kubernetes.io/instance. */
  instance: DNS_LABEL,
  /** The chart's fullname: what all names begin with. */
  fullName: DNS_LABEL.max(FULL_NAME_LENGTH_MAX),
  /** Where replication servers reach the gateway. */
  managerUrl: z.url({ protocol: /^https$/ }),
  replicationServer: REPLICATION_SERVER,
  storage: z
    .strictObject({
      /** Null: the cluster's default class. */
      className: z.string().min(1).nullable().default(null),
      accessMode: z.enum(['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany']).default('ReadWriteOnce'),
      /** Room for points in time beside the replica: the volume is this many times the source's disks … */
      sizeFactor: z.number().min(1).max(10).default(1.5),
      /** … and this much more. */
      overheadBytes: z
        .int()
        .min(64 * MEBIBYTE)
        .default(GIBIBYTE),
    })
    .prefault({}),
  networkPolicy: z.strictObject({
    enabled: z.boolean().default(true),
    /** Who may reach 1500; empty: everybody. */
    ingressFrom: z.array(MANIFEST).default([]),
    egress: z.array(MANIFEST).default([]),
  }),
  exposure: EXPOSURE,
  limits: z
    .strictObject({
      /** Writes to the API server. */
      requestsPerSecond: z.number().positive().max(1_000).default(50),
      burst: z.int().min(1).max(1_000).default(100),
      concurrentMachines: z.int().min(1).max(64).default(8),
      /** Replication servers that are replaced at the same time when their pods change (an upgrade). */
      concurrentRollouts: z.int().min(1).max(1_000).default(5),
    })
    .prefault({}),
});
export type KubernetesSettings = z.infer<typeof KUBERNETES_SETTINGS>;

const VARIABLE = 'LMS_KUBERNETES_SETTINGS';

/** INVALID_ARGUMENT that names the first value which is wrong. */
export function readKubernetesSettings(path: string): KubernetesSettings {
  return parseKubernetesSettings(readConfiguredFile(VARIABLE, path), path);
}

export function parseKubernetesSettings(text: string, path: string): KubernetesSettings {
  let document: unknown;
  try {
    document = parse(text);
  } catch (thrown) {
    throw new LmsError('INVALID_ARGUMENT', `${path} is neither JSON nor YAML`, { field: VARIABLE, cause: thrown });
  }
  const parsed = KUBERNETES_SETTINGS.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new LmsError('INVALID_ARGUMENT', `${path}: ${field}: ${issue?.message ?? 'not valid'}`, {
    field,
    action: 'Correct the values of the chart.',
  });
}
