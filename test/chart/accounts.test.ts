// What the accounts of the chart may do at a real API server: staging-controller exactly what its page says, set-up what
// its commands need; and that after set-up every pod finds its Secrets.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppsV1Api, AuthorizationV1Api } from '@kubernetes/client-node';
import { z } from 'zod';
import { runCommand, type CommandResult } from '../harness/command.ts';
import { NAMESPACE, readRepositoryFile, render, valuesNamed, type ChartObject } from './harness/chart.ts';
import { ChartCluster } from './harness/cluster.ts';
import { environmentOf, podsOf, secretKeysOf } from './harness/pods.ts';

const SUBJECTS = z.array(z.object({ name: z.string() }));
const LIMIT_MILLISECONDS = 180_000;
const SETUP = join(import.meta.dirname, '../../services/setup/src/main.ts');
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
/** Beside what the page names: what nobody here may touch. */
const OTHERS = ['/nodes', '/namespaces', '/configmaps', '/serviceaccounts', 'apps/deployments', 'batch/jobs'];

let cluster: ChartCluster;
let objects: readonly ChartObject[];

beforeAll(async () => {
  cluster = await ChartCluster.start();
  objects = await render();
  const accounts = objects.filter(({ kind }) => ['ServiceAccount', 'Role', 'RoleBinding'].includes(kind));
  expect(await cluster.apply(accounts, { dryRun: false })).toMatchObject({ exitCode: 0 });
}, LIMIT_MILLISECONDS);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** `group/resource` and its verbs, as docs/kubernetes-driver.md has them. */
function rightsOnThePage(): ReadonlyMap<string, readonly string[]> {
  const page = readRepositoryFile('docs/kubernetes-driver.md').split('## What it needs')[1]?.split('## ')[0] ?? '';
  const rows = page.matchAll(/^\| ([a-z0-9.]+) \| ([a-z, ]+?)(?: \([^|]*)? \| ([a-z ]+) \|$/gm);
  const rights = new Map<string, readonly string[]>();
  for (const [, group = '', resources = '', verbs = ''] of rows) {
    for (const resource of resources.split(', ')) {
      rights.set(`${group === 'core' ? '' : group}/${resource}`, verbs.split(' ').sort());
    }
  }
  return rights;
}

async function grantedTo(account: string, resource: string, namespace: string): Promise<readonly string[]> {
  const answers = await Promise.all(VERBS.map((verb) => may(account, verb, resource, namespace)));
  return VERBS.filter((_verb, index) => answers[index]).sort();
}

async function may(account: string, verb: string, groupAndResource: string, namespace: string): Promise<boolean> {
  const [group = '', resource = ''] = groupAndResource.split('/');
  const { status } = await cluster.server
    .adminConfig()
    .makeApiClient(AuthorizationV1Api)
    .createSubjectAccessReview({
      body: {
        spec: {
          user: `system:serviceaccount:${NAMESPACE}:${account}`,
          groups: ['system:serviceaccounts', 'system:authenticated'],
          resourceAttributes: { group, resource, verb, namespace },
        },
      },
    });
  return status?.allowed ?? false;
}

test(
  'staging-controller may do what its page says in this namespace, and nothing else',
  async () => {
    const rights = rightsOnThePage();
    expect(rights.get('gateway.networking.k8s.io/tlsroutes')).toContain('create');
    expect(rights.size).toBe(9);
    for (const resource of [...rights.keys(), ...OTHERS]) {
      const granted = await grantedTo('lms-staging-controller', resource, NAMESPACE);
      expect(await grantedTo('lms-staging-controller', resource, 'default')).toEqual([]);
      expect([resource, granted]).toEqual([resource, rights.get(resource) ?? []]);
    }
  },
  LIMIT_MILLISECONDS,
);

test('nobody else may do anything, and no right is cluster-wide', async () => {
  expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
  const bindings = objects.filter(({ kind }) => kind === 'RoleBinding');
  const bound = bindings.flatMap((binding) => SUBJECTS.parse(binding['subjects']).map(({ name }) => name));
  expect(bound.sort()).toEqual(['lms-renewal', 'lms-setup', 'lms-staging-controller', 'lms-uninstall']);
  for (const account of ['lms-gateway', 'lms-registry', 'lms-replication-server']) {
    for (const resource of ['/secrets', '/pods', 'apps/statefulsets']) {
      expect(await grantedTo(account, resource, NAMESPACE)).toEqual([]);
    }
  }
});

test('a token of the API server is in the pods of staging-controller and set-up only, and each has its own account', async () => {
  const pods = podsOf(objects);
  const withToken = pods.filter(({ spec }) => spec.automountServiceAccountToken).map(({ owner }) => owner);
  expect(withToken.sort()).toEqual([
    'CronJob/lms-renewal',
    'Deployment/lms-staging-controller',
    'Job/lms-setup',
    'Job/lms-uninstall',
  ]);
  const accounts = pods.map(({ spec }) => spec.serviceAccountName);
  expect(new Set(accounts).size).toBe(pods.length);
});

async function runSetup(
  kind: string,
  name: string,
  command: string,
  rendered: readonly ChartObject[],
): Promise<CommandResult> {
  const { status } = await cluster.core.createNamespacedServiceAccountToken({
    name,
    namespace: NAMESPACE,
    body: { spec: { audiences: ['https://kubernetes.default.svc'] } },
  });
  const kubeconfig = join(cluster.folder.path, `${name}.kubeconfig`);
  const config = cluster.server.configFor(status?.token ?? '', NAMESPACE).exportConfig();
  await writeFile(kubeconfig, config, { mode: 0o600 });
  const environment = environmentOf(rendered, kind, name);
  return runCommand(process.execPath, [SETUP, command], { environment: { ...environment, KUBECONFIG: kubeconfig } });
}

async function secretKeys(): Promise<ReadonlySet<string>> {
  const { items } = await cluster.core.listNamespacedSecret({ namespace: NAMESPACE });
  return new Set(
    items.flatMap(({ metadata, data }) => ['', ...Object.keys(data ?? {})].map((key) => `${metadata?.name}/${key}`)),
  );
}

test(
  'set-up makes every Secret that a pod needs, with the rights of its Role; the renewal finds nothing to do',
  async () => {
    expect(await runSetup('Job', 'lms-setup', 'ensure', objects)).toMatchObject({ exitCode: 0 });
    const made = await secretKeys();
    const pods = podsOf(objects).filter(({ owner }) => !owner.startsWith('StatefulSet/lms-rs-'));
    for (const pod of pods) {
      for (const needed of secretKeysOf(pod))
        expect([pod.owner, [...made]]).toEqual([pod.owner, expect.arrayContaining([needed])]);
    }
    const renewal = await runSetup('CronJob', 'lms-renewal', 'ensure', objects);
    expect(renewal.exitCode).toBe(0);
    expect(renewal.stderr).not.toMatch(/created|replaced/);
  },
  LIMIT_MILLISECONDS,
);

test(
  'the renewal replaces the pods of NATS, which reads its certificate at its start only, and no others',
  async () => {
    const nats = objects.filter(({ kind }) => kind === 'StatefulSet');
    expect(await cluster.apply(nats, { dryRun: false })).toMatchObject({ exitCode: 0 });
    for (const name of ['lms-nats-tls', 'lms-gateway-tls']) {
      const old = await cluster.core.readNamespacedSecret({ namespace: NAMESPACE, name });
      old.data = { ...old.data, 'tls.crt': Buffer.from('an old one').toString('base64') };
      await cluster.core.replaceNamespacedSecret({ namespace: NAMESPACE, name, body: old });
    }
    const { exitCode, stderr } = await runSetup('CronJob', 'lms-renewal', 'ensure', objects);
    expect(stderr.match(/: replaced"/g)).toHaveLength(2);
    expect(exitCode).toBe(0);
    const apps = cluster.server.adminConfig(NAMESPACE).makeApiClient(AppsV1Api);
    const { spec } = await apps.readNamespacedStatefulSet({ namespace: NAMESPACE, name: 'lms-nats' });
    expect(spec?.template.metadata?.annotations).toHaveProperty(['live-migration-service/certificate-renewed-at']);
    // As helm upgrade would: what it does not know stays, and the pods are not replaced a second time.
    expect(await cluster.apply(nats, { dryRun: false })).toMatchObject({ exitCode: 0 });
    const after = await apps.readNamespacedStatefulSet({ namespace: NAMESPACE, name: 'lms-nats' });
    expect(after.spec?.template).toEqual(spec?.template);
  },
  LIMIT_MILLISECONDS,
);

test(
  'with an ingress, its certificate is made and an upgrade keeps it',
  async () => {
    const upgraded = await render({ file: valuesNamed('contour') });
    const accounts = upgraded.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'lms-setup');
    expect(await cluster.apply(accounts, { dryRun: false })).toMatchObject({ exitCode: 0 });
    expect(await runSetup('Job', 'lms-setup', 'ensure', upgraded)).toMatchObject({ exitCode: 0 });
    const read = () => cluster.core.readNamespacedSecret({ namespace: NAMESPACE, name: 'lms-gateway-ingress-tls' });
    const { data, type } = await read();
    expect(type).toBe('kubernetes.io/tls');
    expect(await runSetup('Job', 'lms-setup', 'ensure', upgraded)).toMatchObject({ exitCode: 0 });
    expect((await read()).data).toEqual(data);
  },
  LIMIT_MILLISECONDS,
);

test(
  'removal has the rights that it needs, and leaves the Secrets unless it is told',
  async () => {
    const kept = await runSetup('Job', 'lms-uninstall', 'uninstall', objects);
    expect(kept.stderr).toContain('kept secret/lms-ca');
    expect(kept.exitCode).toBe(0);
    const told = await render({ file: valuesNamed('one-of-each') });
    const removed = await runSetup('Job', 'lms-uninstall', 'uninstall', told);
    expect(removed.stderr).toContain('removed secret/lms-ca');
    expect([...(await secretKeys())]).toEqual([]);
  },
  LIMIT_MILLISECONDS,
);
