// The API server that these tests run against is a real one: it refuses what a cluster refuses.

import { expect, test } from '@jest/globals';
import { ApiException, CoreV1Api } from '@kubernetes/client-node';
import { KubeApiServer } from '../../harness/kube-api-server.ts';

test('Pod Security is enforced, unknown callers are refused, and data survive a crash of the server', async () => {
  await using server = await KubeApiServer.start();
  const admin = server.adminConfig().makeApiClient(CoreV1Api);
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await admin.createNamespace({ body: { metadata: { name: 'strict', labels } } });
  const privileged = {
    metadata: { name: 'root' },
    spec: { containers: [{ name: 'root', image: 'root', securityContext: { privileged: true } }] },
  };
  const refused = await failureOf(admin.createNamespacedPod({ namespace: 'strict', body: privileged }));
  expect(refused).toMatchObject({ code: 403 });
  expect(refused.body).toContain('violates PodSecurity');

  const stranger = server.configFor('nobody knows this token').makeApiClient(CoreV1Api);
  expect(await failureOf(stranger.listNamespace())).toMatchObject({ code: 401 });

  await server.kill();
  await server.restart();
  const { items } = await admin.listNamespace();
  expect(items.map(({ metadata }) => metadata?.name)).toContain('strict');
});

async function failureOf(call: Promise<unknown>): Promise<ApiException<string>> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof ApiException) return thrown as ApiException<string>;
    throw thrown;
  }
  throw new Error('the call was not refused');
}
