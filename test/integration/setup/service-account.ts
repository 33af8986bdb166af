// An account of one namespace that may do what its rules say and nothing else, as a program in a pod has it.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreV1Api, RbacAuthorizationV1Api, type V1PolicyRule } from '@kubernetes/client-node';
import type { KubeApiServer } from '../../harness/kube-api-server.ts';

/** Makes the namespace too; returns the path of a kubeconfig in `folder`. */
export async function createServiceAccount(
  server: KubeApiServer,
  folder: string,
  namespace: string,
  rules: V1PolicyRule[],
): Promise<string> {
  const core = server.adminConfig().makeApiClient(CoreV1Api);
  const rbac = server.adminConfig().makeApiClient(RbacAuthorizationV1Api);
  const metadata = { name: 'setup' };
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  await core.createNamespacedServiceAccount({ namespace, body: { metadata } });
  await rbac.createNamespacedRole({ namespace, body: { metadata, rules } });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'setup' },
      subjects: [{ kind: 'ServiceAccount', name: 'setup', namespace }],
    },
  });
  const { status } = await core.createNamespacedServiceAccountToken({
    name: 'setup',
    namespace,
    body: { spec: { audiences: ['https://kubernetes.default.svc'] } },
  });
  const path = join(folder, `${namespace}.kubeconfig`);
  await writeFile(path, server.configFor(status?.token ?? '', namespace).exportConfig(), { mode: 0o600 });
  return path;
}
