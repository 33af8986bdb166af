// A real API server takes what the chart makes: every object, every pod under Pod Security "restricted", and an upgrade.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppsV1Api } from '@kubernetes/client-node';
import { CHART, helm, NAMESPACE, RELEASE, render, valuesFiles, valuesNamed } from './harness/chart.ts';
import { ChartCluster, isBuiltIn } from './harness/cluster.ts';
import { podsOf } from './harness/pods.ts';

const LIMIT_MILLISECONDS = 180_000;

/** They still work, unless a cluster has switched them off; values.yaml says so. */
const DEPRECATED = 'Warning: spec.externalIPs is deprecated and may no longer be implemented in some clusters\n';

let cluster: ChartCluster;
beforeAll(async () => {
  cluster = await ChartCluster.start();
}, LIMIT_MILLISECONDS);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

test.each(valuesFiles())(
  'the server takes all objects and all pods with $name',
  async ({ path }) => {
    const objects = await render({ file: path });
    const pods = podsOf(objects).map(({ owner, labels, spec }) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: owner.toLowerCase().replace('/', '-'), labels },
      spec,
    }));
    const { exitCode, stdout, stderr } = await cluster.apply([...objects.filter(isBuiltIn), ...pods], { dryRun: true });
    expect(stderr.replace(DEPRECATED, '')).toBe('');
    expect(exitCode).toBe(0);
    for (const { metadata } of pods) expect(stdout).toContain(`pod/${metadata.name} `);
  },
  LIMIT_MILLISECONDS,
);

test('a pod that is not restricted would be refused', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'root' },
    spec: { containers: [{ name: 'root', image: 'root' }] },
  };
  const { stderr } = await cluster.apply([pod], { dryRun: true });
  expect(stderr).toContain('violates PodSecurity "restricted:latest"');
});

/** Hooks are Jobs, and nobody runs Jobs here: test/chart/accounts.test.ts does what they would do. */
function release(action: 'install' | 'upgrade', ...parameters: string[]) {
  return helm([action, RELEASE, CHART, '--namespace', NAMESPACE, '--no-hooks', ...parameters], {
    kubeconfig: cluster.kubeconfig,
  });
}

test(
  'a release is installed, upgraded to many other values, and removed; selectors and volumes stay the same',
  async () => {
    expect(await release('install')).toMatchObject({ exitCode: 0 });
    const apps = cluster.server.adminConfig(NAMESPACE).makeApiClient(AppsV1Api);
    const look = async () => {
      const deployments = await apps.listNamespacedDeployment({ namespace: NAMESPACE });
      const nats = await apps.readNamespacedStatefulSet({ namespace: NAMESPACE, name: 'lms-nats' });
      return {
        deployments: deployments.items.map(({ metadata, spec }) => [metadata?.uid, spec?.selector]),
        nats: [nats.metadata?.uid, nats.spec?.selector, nats.spec?.volumeClaimTemplates],
      };
    };
    const before = await look();
    for (const name of ['contour', 'telemetry', 'narrow-network-policies', 'no-network-policies', 'given-secrets']) {
      expect(await release('upgrade', '--values', valuesNamed(name))).toMatchObject({ exitCode: 0 });
      expect(await look()).toEqual(before);
    }
    const removed = await helm(['uninstall', RELEASE, '--namespace', NAMESPACE, '--no-hooks'], {
      kubeconfig: cluster.kubeconfig,
    });
    expect(removed).toMatchObject({ exitCode: 0 });
  },
  LIMIT_MILLISECONDS,
);

test.each([
  ['nats.persistence.size=20Gi', 'nats.persistence.size was 10Gi'],
  ['nats.persistence.storageClassName=fast', 'nats.persistence.storageClassName'],
  ['nats.persistence.enabled=false', 'nats.persistence.enabled'],
  ['nats.replicas=1', 'nats.replicas was 3'],
])(
  'an upgrade with %s is refused with what to do about it',
  async (change, message) => {
    const installed = await helm(['upgrade', '--install', RELEASE, CHART, '--namespace', NAMESPACE, '--no-hooks'], {
      kubeconfig: cluster.kubeconfig,
    });
    expect(installed).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await release('upgrade', '--set', change);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(1);
  },
  LIMIT_MILLISECONDS,
);
