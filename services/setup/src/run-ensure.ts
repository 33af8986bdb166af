import type { Logger } from '@lms/telemetry';
import { loadCluster } from './cluster/connection.ts';
import { KubernetesSecretStore } from './cluster/kubernetes-secret-store.ts';
import { restartStatefulSet } from './cluster/restart.ts';
import { readSetupConfiguration } from './plan.ts';
import { ensureSecrets } from './secrets/ensure-secrets.ts';

export async function runEnsure(logger: Logger): Promise<void> {
  const { namespace, plan } = readSetupConfiguration();
  const cluster = await loadCluster();
  const store = new KubernetesSecretStore(cluster, namespace, plan.instance);
  const outcomes = await ensureSecrets({
    store,
    plan,
    now: new Date(),
    warn: (sentence) => logger.warn(sentence),
  });
  for (const { secret, action, why } of outcomes) {
    logger.info({ name: secret, action, ...(why !== null && { why }) }, `Secret ${secret}: ${action}`);
    const { statefulSet = null } = plan.certificates.find((certificate) => certificate.secret === secret) ?? {};
    if (action !== 'replaced' || statefulSet === null) continue;
    const found = await restartStatefulSet(cluster, namespace, statefulSet, new Date());
    if (found) logger.info({ name: statefulSet }, `StatefulSet ${statefulSet}: its pods are replaced, to read it`);
  }
}
