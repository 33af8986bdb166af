// The program as the chart's Jobs run it, against a real API server, as an account that may do what the Role says.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppsV1Api, CoordinationV1Api, CoreV1Api, type V1PolicyRule } from '@kubernetes/client-node';
import { runCommand, type CommandResult } from '../../harness/command.ts';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { createServiceAccount } from './service-account.ts';

const MAIN = join(import.meta.dirname, '../../../services/setup/src/main.ts');
const LABELS = { 'app.kubernetes.io/instance': 'lms', 'app.kubernetes.io/managed-by': 'lms-staging-controller' };
const PLAN = {
  instance: 'lms',
  authority: { secret: 'lms-ca' },
  internalAuthority: { secret: 'lms-internal-ca' },
  certificates: [{ component: 'registry', secret: 'lms-registry-tls' }],
  nats: { secret: 'lms-nats', users: ['registry'] },
  operator: { secret: 'lms-operator', managerUrl: 'https://manager.example' },
  gatewayCertificate: { secret: 'lms-gateway-tls', names: ['manager.example'] },
};
const SECRETS = ['lms-ca', 'lms-gateway-tls', 'lms-internal-ca', 'lms-nats', 'lms-operator', 'lms-registry-tls'];
const ENSURE_RULES: V1PolicyRule[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'update'], resourceNames: SECRETS },
];
const CLAIM = {
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
};

let server: KubeApiServer;
let folder: TemporaryFolder;
let core: CoreV1Api;

beforeAll(async () => {
  server = await KubeApiServer.start();
  folder = await TemporaryFolder.create();
  core = server.adminConfig().makeApiClient(CoreV1Api);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function runSetup(command: string, environment: Record<string, string>): Promise<CommandResult> {
  return runCommand(process.execPath, [MAIN, command], { environment });
}

function ensure(kubeconfig: string, namespace: string): Promise<CommandResult> {
  return runSetup('ensure', {
    KUBECONFIG: kubeconfig,
    LMS_NAMESPACE: namespace,
    LMS_SETUP_PLAN: JSON.stringify(PLAN),
  });
}

async function secretsOf(namespace: string) {
  const { items } = await core.listNamespacedSecret({ namespace });
  return new Map(items.map((secret) => [secret.metadata?.name ?? '', secret]));
}

test('Secrets are made once, by two at the same time too, and each further run keeps them', async () => {
  const kubeconfig = await createServiceAccount(server, folder.path, 'once', ENSURE_RULES);
  const [one, other] = await Promise.all([ensure(kubeconfig, 'once'), ensure(kubeconfig, 'once')]);
  expect([one.exitCode, other.exitCode]).toEqual([0, 0]);
  const made = await secretsOf('once');
  expect([...made.keys()].sort()).toEqual(SECRETS);
  expect(made.get('lms-registry-tls')).toMatchObject({
    type: 'kubernetes.io/tls',
    metadata: { labels: { 'app.kubernetes.io/managed-by': 'lms-setup', 'app.kubernetes.io/instance': 'lms' } },
  });
  const again = await ensure(kubeconfig, 'once');
  expect(again.exitCode).toBe(0);
  expect(again.stderr.match(/: kept"/g)).toHaveLength(SECRETS.length);
  const versions = (of: Awaited<ReturnType<typeof secretsOf>>) =>
    [...of.values()].map(({ metadata }) => metadata?.resourceVersion);
  expect(versions(await secretsOf('once'))).toEqual(versions(made));
});

test('a Secret that was damaged is made again where nothing is lost by that', async () => {
  const kubeconfig = await createServiceAccount(server, folder.path, 'damaged', ENSURE_RULES);
  await ensure(kubeconfig, 'damaged');
  const name = 'lms-gateway-tls';
  await core.deleteNamespacedSecret({ name, namespace: 'damaged' });
  const { exitCode, stderr } = await ensure(kubeconfig, 'damaged');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('Secret lms-gateway-tls: created');
});

test('what the account may not do is said with the name of the Secret, and the exit code is 1', async () => {
  const kubeconfig = await createServiceAccount(server, folder.path, 'forbidden', []);
  const { exitCode, stderr } = await ensure(kubeconfig, 'forbidden');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('PERMISSION_DENIED');
  expect(stderr).toContain('reading of Secret lms-ca');
});

test('an API server that is away is one sentence', async () => {
  const kubeconfig = await createServiceAccount(server, folder.path, 'away', ENSURE_RULES);
  await server.kill();
  try {
    const { exitCode, stderr } = await ensure(kubeconfig, 'away');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('the API server cannot be reached');
    expect(stderr).toContain('UNAVAILABLE');
  } finally {
    await server.restart();
  }
});

test('a plan that is wrong is exit 2', async () => {
  const { exitCode, stderr } = await runSetup('ensure', { LMS_NAMESPACE: 'any', LMS_SETUP_PLAN: '{}' });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('LMS_SETUP_PLAN.');
});

const UNINSTALL_RULES: V1PolicyRule[] = [
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  { apiGroups: [''], resources: ['secrets', 'services', 'persistentvolumeclaims'], verbs: ['list', 'delete'] },
  { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['list', 'delete'] },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list', 'delete'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['list', 'delete'] },
  { apiGroups: ['gateway.networking.k8s.io'], resources: ['tlsroutes'], verbs: ['list', 'delete'] },
];

/** One machine as staging-controller leaves it, and the same of another release. */
async function createMachine(namespace: string): Promise<void> {
  const apps = server.adminConfig().makeApiClient(AppsV1Api);
  const coordination = server.adminConfig().makeApiClient(CoordinationV1Api);
  for (const [name, instance] of [
    ['lms-rs-m-1', 'lms'],
    ['other-rs-m-1', 'other'],
  ] as const) {
    const metadata = { name, labels: { ...LABELS, 'app.kubernetes.io/instance': instance } };
    const matchLabels = { machine: name };
    await core.createNamespacedPersistentVolumeClaim({ namespace, body: { metadata, spec: CLAIM } });
    await core.createNamespacedSecret({ namespace, body: { metadata, stringData: { token: 'x' } } });
    await core.createNamespacedService({ namespace, body: { metadata, spec: { ports: [{ port: 1500 }] } } });
    const template = { metadata: { labels: matchLabels }, spec: { containers: [{ name: 'a', image: 'a' }] } };
    const spec = { serviceName: name, selector: { matchLabels }, template };
    await apps.createNamespacedStatefulSet({ namespace, body: { metadata, spec } });
    await coordination.createNamespacedLease({ namespace, body: { metadata, spec: {} } });
  }
}

async function objectsOf(namespace: string): Promise<string[]> {
  const apps = server.adminConfig().makeApiClient(AppsV1Api);
  const coordination = server.adminConfig().makeApiClient(CoordinationV1Api);
  const lists = await Promise.all([
    apps.listNamespacedStatefulSet({ namespace }),
    core.listNamespacedService({ namespace }),
    core.listNamespacedSecret({ namespace }),
    core.listNamespacedPersistentVolumeClaim({ namespace }),
    coordination.listNamespacedLease({ namespace }),
  ]);
  const kinds = ['statefulset', 'service', 'secret', 'persistentvolumeclaim', 'lease'];
  return lists.flatMap(({ items }, index) =>
    items
      // No controller runs here that would take the protection of volumes off.
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata }) => `${kinds[index]}/${metadata?.name}`),
  );
}

const OTHERS = ['statefulset', 'service', 'secret', 'persistentvolumeclaim', 'lease'].map(
  (kind) => `${kind}/other-rs-m-1`,
);

test('after an uninstall volumes and Secrets are left unless told, and of another release everything', async () => {
  const kubeconfig = await createServiceAccount(server, folder.path, 'uninstalled', [
    ...ENSURE_RULES,
    ...UNINSTALL_RULES,
  ]);
  await ensure(kubeconfig, 'uninstalled');
  await createMachine('uninstalled');
  const environment = {
    KUBECONFIG: kubeconfig,
    LMS_NAMESPACE: 'uninstalled',
    LMS_INSTANCE: 'lms',
    // A kind that this cluster does not have.
    LMS_TLS_ROUTE_VERSION: 'gateway.networking.k8s.io/v1alpha2',
  };
  const kept = await runSetup('uninstall', environment);
  expect(kept.stderr).toContain('kept persistentvolumeclaim/lms-rs-m-1');
  expect(kept.exitCode).toBe(0);
  const left = ['persistentvolumeclaim/lms-rs-m-1', ...SECRETS.map((name) => `secret/${name}`)];
  expect((await objectsOf('uninstalled')).sort()).toEqual([...OTHERS, ...left].sort());

  const { exitCode } = await runSetup('uninstall', { ...environment, LMS_DELETE_STAGING_DATA: 'true' });
  expect(exitCode).toBe(0);
  expect((await objectsOf('uninstalled')).sort()).toEqual([...OTHERS].sort());
});
