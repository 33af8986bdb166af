// The manager's registry and its NATS, a real API server, and staging-controllers with the driver `kubernetes`. Machines
// are the test: it enrols them. What controllers and kubelets of a cluster would write, the test writes.

import { randomBytes } from 'node:crypto';
import {
  AppsV1Api,
  CoreV1Api,
  NetworkingV1Api,
  StorageV1Api,
  type KubeConfig,
  type V1PodStatus,
} from '@kubernetes/client-node';
import { createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { ComponentService, InitiationStep, StagingService, StepState, TokenPurpose, wordOf } from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import {
  createStagingControllerService,
  parseKubernetesSettings,
  type StagingControllerServiceModule,
} from '@lms/staging-controller';
import type { KubeApiServer } from '../../harness/kube-api-server.ts';
import { TestRegistry } from '../harness/registry.ts';
import { until } from '../harness/until.ts';

const never = new AbortController().signal;
const PATIENCE = { stepMilliseconds: 2_000, dataMilliseconds: 2_000 };
const LEASE_TIMES = { lifeMilliseconds: 3_000, stopMilliseconds: 2_000, renewMilliseconds: 500 };
const GIBIBYTE = 1024 ** 3;

export const FULL_NAME = 'mig-lms';

export interface Controller {
  readonly service: StagingControllerServiceModule;
  readonly staging: RpcClient<typeof StagingService>;
  readonly component: RpcClient<typeof ComponentService>;
  stop(): Promise<void>;
}

export interface ControllerOptions {
  readonly identity?: string;
  /** Default: any free port. */
  readonly listen?: string;
  readonly kubeConfig?: KubeConfig;
  /** Default: `LEASE_TIMES`. */
  readonly leaseTimes?: typeof LEASE_TIMES;
  /** Parts of the settings that differ from the usual. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class ClusterArea implements AsyncDisposable {
  readonly server: KubeApiServer;
  readonly registry: TestRegistry;
  readonly namespace: string;
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly networking: NetworkingV1Api;
  readonly storage: StorageV1Api;
  readonly #controllers = new Set<Controller>();

  private constructor(server: KubeApiServer, registry: TestRegistry, namespace: string) {
    this.server = server;
    this.registry = registry;
    this.namespace = namespace;
    const admin = server.adminConfig(namespace);
    this.core = admin.makeApiClient(CoreV1Api);
    this.apps = admin.makeApiClient(AppsV1Api);
    this.networking = admin.makeApiClient(NetworkingV1Api);
    this.storage = admin.makeApiClient(StorageV1Api);
  }

  /** `server`: shared with other tests; each area has a namespace of its own, with Pod Security "restricted". */
  static async create(server: KubeApiServer): Promise<ClusterArea> {
    const namespace = `test-${randomBytes(4).toString('hex')}`;
    const area = new ClusterArea(server, await TestRegistry.start(), namespace);
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await area.core.createNamespace({ body: { metadata: { name: namespace, labels } } });
    return area;
  }

  async startController(options: ControllerOptions = {}): Promise<Controller> {
    const { services, nats, service: registry } = this.registry;
    const service = createStagingControllerService({
      listen: options.listen ?? '127.0.0.1:0',
      tls: await services.service('staging-controller'),
      events: nats.options,
      registryAddress: registry.address,
      patience: PATIENCE,
      kubernetes: {
        settings: parseKubernetesSettings(JSON.stringify({ ...this.settings(), ...options.settings }), 'settings'),
        identity: options.identity ?? `controller-${randomBytes(4).toString('hex')}`,
        kubeConfig: options.kubeConfig ?? this.server.adminConfig(this.namespace),
        leaseTimes: options.leaseTimes ?? LEASE_TIMES,
      },
    });
    await service.start(never);
    const tls = await services.service('gateway');
    const where = { address: service.address, component: 'staging-controller', tls };
    const staging = createRpcClient(StagingService, where);
    const component = createRpcClient(ComponentService, where);
    const controller = {
      service,
      staging,
      component,
      stop: async () => {
        if (!this.#controllers.delete(controller)) return;
        staging.close();
        component.close();
        await service.stop();
      },
    };
    this.#controllers.add(controller);
    return controller;
  }

  settings(): Record<string, unknown> {
    return {
      namespace: this.namespace,
      instance: 'mig',
      fullName: FULL_NAME,
      managerUrl: `https://${FULL_NAME}-gateway.${this.namespace}.svc`,
      replicationServer: { image: 'registry.example/lms/replication-server:1.0.0' },
      storage: { className: 'fast' },
      networkPolicy: { ingressFrom: [{ podSelector: { matchLabels: { app: 'router' } } }], egress: [] },
      exposure: { mode: 'router', advertise: { host: 'stream.example', port: 31_500 } },
      limits: { requestsPerSecond: 200, burst: 200 },
    };
  }

  /** A machine with a disk of so many GiB; its id. */
  async enrol(name: string, diskGibibytes = 10): Promise<string> {
    const registry = await this.registry.client('gateway');
    const { secret } = await registry.createToken({
      purpose: TokenPurpose.MACHINE,
      name: '',
      uses: 1,
      expiresInSeconds: 600,
      dnsNames: [],
    });
    const { machineId } = await registry.enrolMachine({
      token: secret,
      csrPem: await createCertificateRequest(await createPrivateKeyPem()),
      name,
      agentVersion: '1.0.0',
      disks: [disk(diskGibibytes)],
      inventoryJson: '',
    });
    return machineId;
  }

  async heartbeat(machineId: string, diskGibibytes: number): Promise<void> {
    const registry = await this.registry.client('gateway');
    const told = { agentVersion: '1.0.0', bootId: 'boot', inventoryJson: '', name: `name-${machineId}` };
    await registry.heartbeatMachine({ machineId, disks: [disk(diskGibibytes)], ...told });
  }

  /** The step's error, once it is in this state and says this. */
  async waitForStep(
    { staging }: Controller,
    machineId: string,
    step: keyof typeof InitiationStep,
    state: keyof typeof StepState,
    saying = '',
  ): Promise<string> {
    let last = '';
    try {
      return await until(`${step} of ${machineId} to be ${state} with "${saying}"`, async () => {
        const { steps } = await staging.getInitiation({ machineId });
        const found = steps.find((report) => report.step === InitiationStep[step]);
        last = `${found && wordOf(StepState, found.state)}: ${found?.error}`;
        return found?.state === StepState[state] && found.error.includes(saying) && { error: found.error };
      }).then(({ error }) => error);
    } catch (thrown) {
      throw new Error(`${step} was at last ${last}`, { cause: thrown });
    }
  }

  /** As the controller of StatefulSets makes it, and the scheduler gives it a node. */
  async makePod(machineId: string, status: V1PodStatus, nodeName = ''): Promise<string> {
    const set = await this.apps.readNamespacedStatefulSet({
      name: nameOf(machineId),
      namespace: this.namespace,
    });
    const template = set.spec?.template;
    const name = `${nameOf(machineId)}-0`;
    if (template?.spec === undefined) throw new Error('a StatefulSet without a pod');
    if (nodeName !== '') template.spec.nodeName = nodeName;
    const labels = { ...template.metadata?.labels, 'statefulset.kubernetes.io/pod-name': name };
    await this.core.createNamespacedPod({
      namespace: this.namespace,
      body: { metadata: { name, labels }, spec: template.spec },
    });
    await this.writePodStatus(machineId, status);
    return name;
  }

  /** As kubelet and scheduler write it. */
  async writePodStatus(machineId: string, status: V1PodStatus): Promise<void> {
    const name = `${nameOf(machineId)}-0`;
    const pod = await this.core.readNamespacedPod({ name, namespace: this.namespace });
    pod.status = status;
    await this.core.replaceNamespacedPodStatus({ name, namespace: this.namespace, body: pod });
  }

  /** The kinds of what the API server has with the machine's label. */
  async kindsOf(machineId: string): Promise<readonly string[]> {
    const { apps, core, namespace, networking } = this;
    const selection = { namespace, labelSelector: `live-migration-service/machine-id=${machineId}` };
    const lists = await Promise.all([
      networking.listNamespacedNetworkPolicy(selection),
      core.listNamespacedPersistentVolumeClaim(selection),
      core.listNamespacedPod(selection),
      core.listNamespacedSecret(selection),
      core.listNamespacedService(selection),
      apps.listNamespacedStatefulSet(selection),
    ]);
    const kinds = ['NetworkPolicy', 'PersistentVolumeClaim', 'Pod', 'Secret', 'Service', 'StatefulSet'];
    return lists.flatMap(({ items }, index) => items.map(() => kinds[index] ?? ''));
  }

  /** What the garbage collector and the protection of claims in use do, as far as they can now. */
  async collectGarbage(machineId: string): Promise<void> {
    const { core, namespace } = this;
    const name = nameOf(machineId);
    const kinds = await this.kindsOf(machineId);
    if (!kinds.includes('StatefulSet') && kinds.includes('Pod')) {
      await core.deleteNamespacedPod({ name: `${name}-0`, namespace, gracePeriodSeconds: 0 });
    }
    if (kinds.includes('Pod') || !kinds.includes('PersistentVolumeClaim')) return;
    const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
    if (claim.metadata?.deletionTimestamp === undefined) return;
    claim.metadata.finalizers = [];
    await core.replaceNamespacedPersistentVolumeClaim({ name, namespace, body: claim });
  }

  async warn(kind: string, name: string, reason: string, message: string): Promise<void> {
    const now = new Date();
    await this.core.createNamespacedEvent({
      namespace: this.namespace,
      body: {
        metadata: { generateName: `${name}.`, namespace: this.namespace },
        involvedObject: { kind, name, namespace: this.namespace },
        type: 'Warning',
        reason,
        message,
        firstTimestamp: now,
        lastTimestamp: now,
        reportingComponent: 'test',
        reportingInstance: 'test',
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#controllers) await controller.stop();
    await this.registry[Symbol.asyncDispose]();
  }
}

/** Of all objects of the machine. */
export function nameOf(machineId: string): string {
  return `${FULL_NAME}-rs-${machineId}`;
}

function disk(gibibytes: number) {
  return { diskId: 'disk-1', device: '/dev/sda', sizeBytes: BigInt(gibibytes * GIBIBYTE) };
}

const CONTAINERS = [
  {
    name: 'replication-server',
    image: 'image',
    imageID: 'image',
    ready: true,
    restartCount: 0,
    // kubelet's clock is not ours.
    state: { running: { startedAt: new Date(Date.now() - 60_000) } },
  },
];

export const RUNNING: V1PodStatus = {
  phase: 'Running',
  podIP: '10.1.2.3',
  conditions: [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Ready', status: 'True' },
  ],
  containerStatuses: CONTAINERS,
};

/** As the controller of nodes leaves it when the node is silent: it takes "ready" away, without a reason, and nothing else. */
export const NODE_SILENT: V1PodStatus = {
  phase: 'Running',
  podIP: '10.1.2.3',
  conditions: [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Ready', status: 'False' },
  ],
  containerStatuses: CONTAINERS,
};
