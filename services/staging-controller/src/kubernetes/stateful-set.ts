/** The replication server's pod: one per machine, made anew by the StatefulSet's controller wherever it dies. */
import { BLOCK_STREAM_PORT } from '@lms/network';
import { head, TOKEN_KEY, withFingerprint } from './manifests.ts';
import { labelsOf, objectName, selectorLabels, serverNameOf } from './names.ts';
import { STATEFUL_SET, type Manifest } from './resource.ts';
import type { KubernetesSettings } from './settings.ts';

const DATA_PATH = '/var/lib/lms';
const BOOTSTRAP_PATH = '/etc/lms/bootstrap';
/** Kubelet reads it when the container has ended, and shows it as the termination message. */
const FAILURE_FILE = '/dev/termination-log';
const LIVENESS_PERIOD_SECONDS = 20;
const READINESS_PERIOD_SECONDS = 5;
/** Recovery of a large journal comes before it listens. */
const STARTUP_PERIOD_SECONDS = 5;
const STARTUP_FAILURES_MAX = 360;

export interface PodFacts {
  /** Hex SHA-256 of the manager's CA. */
  readonly caSha256: string;
}

export function statefulSetManifest(settings: KubernetesSettings, machineId: string, facts: PodFacts): Manifest {
  const name = objectName(settings, machineId);
  const { replicationServer: pod } = settings;
  return withFingerprint({
    ...head(settings, STATEFUL_SET, name, machineId),
    spec: {
      replicas: 1,
      serviceName: name,
      // With the other policy a pod that does not start would block the one that would.
      podManagementPolicy: 'Parallel',
      revisionHistoryLimit: 2,
      selector: { matchLabels: selectorLabels(settings, machineId) },
      template: {
        metadata: {
          labels: { ...pod.podLabels, ...labelsOf(settings, machineId) },
          annotations: pod.podAnnotations,
        },
        spec: {
          serviceAccountName: pod.serviceAccountName,
          automountServiceAccountToken: false,
          // A variable for each Service of the namespace would not fit at thousands of machines.
          enableServiceLinks: false,
          securityContext: pod.podSecurityContext,
          terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds,
          imagePullSecrets: pod.imagePullSecrets.map((secret) => ({ name: secret })),
          nodeSelector: pod.nodeSelector,
          tolerations: pod.tolerations,
          affinity: pod.affinity,
          topologySpreadConstraints: pod.topologySpreadConstraints,
          ...(pod.priorityClassName !== null && { priorityClassName: pod.priorityClassName }),
          ...(pod.runtimeClassName !== null && { runtimeClassName: pod.runtimeClassName }),
          containers: [container(settings, machineId, facts)],
          volumes: [
            { name: 'data', persistentVolumeClaim: { claimName: name } },
            { name: 'bootstrap', secret: { secretName: name, defaultMode: 0o440 } },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      },
    },
  });
}

function container(settings: KubernetesSettings, machineId: string, facts: PodFacts): unknown {
  const { replicationServer: pod } = settings;
  const probe = (service: string) => ({ grpc: { port: pod.healthPort, service } });
  return {
    name: 'replication-server',
    image: pod.image,
    imagePullPolicy: pod.imagePullPolicy,
    env: [
      ...Object.entries({ ...environmentOf(settings, machineId, facts), ...pod.environment }).map(([name, value]) => ({
        name,
        value,
      })),
      ...Object.entries(pod.secretEnvironment).map(([name, { secret, key }]) => ({
        name,
        valueFrom: { secretKeyRef: { name: secret, key } },
      })),
    ],
    ports: [
      { name: 'block-stream', containerPort: BLOCK_STREAM_PORT, protocol: 'TCP' },
      { name: 'health', containerPort: pod.healthPort, protocol: 'TCP' },
    ],
    startupProbe: {
      ...probe('liveness'),
      periodSeconds: STARTUP_PERIOD_SECONDS,
      failureThreshold: STARTUP_FAILURES_MAX,
    },
    livenessProbe: { ...probe('liveness'), periodSeconds: LIVENESS_PERIOD_SECONDS, failureThreshold: 6 },
    readinessProbe: { ...probe('readiness'), periodSeconds: READINESS_PERIOD_SECONDS },
    resources: pod.resources,
    securityContext: pod.securityContext,
    terminationMessagePath: FAILURE_FILE,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'data', mountPath: DATA_PATH },
      { name: 'bootstrap', mountPath: BOOTSTRAP_PATH, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function environmentOf(settings: KubernetesSettings, machineId: string, facts: PodFacts): Record<string, string> {
  const { namespace, managerUrl, replicationServer, exposure } = settings;
  return {
    LMS_DATA_DIRECTORY: `${DATA_PATH}/data`,
    LMS_BLOCK_STREAM_LISTEN: `0.0.0.0:${BLOCK_STREAM_PORT}`,
    LMS_BLOCK_STREAM_ADDRESS: `${objectName(settings, machineId)}.${namespace}.svc`,
    LMS_MANAGER_URL: managerUrl,
    LMS_MANAGER_CA_SHA256: facts.caSha256,
    LMS_BOOTSTRAP_TOKEN_FILE: `${BOOTSTRAP_PATH}/${TOKEN_KEY}`,
    LMS_REPLICATION_SERVER_NAME: serverNameOf(machineId),
    LMS_HEALTH_LISTEN: `0.0.0.0:${replicationServer.healthPort}`,
    LMS_FAILURE_FILE: FAILURE_FILE,
    // As on a host: it makes a buffer for each TLS record, and with the default they live too long.
    NODE_OPTIONS: '--max-semi-space-size=1',
    ...(exposure.mode === 'router' && { LMS_PROXY_PROTOCOL: 'required' }),
  };
}
