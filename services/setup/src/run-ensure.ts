import type { Logger } from '@lms/telemetry';
import { loadCluster } from './cluster/connection.ts';
import { KubernetesSecretStore } from './cluster/kubernetes-secret-store.ts';
import { readSetupConfiguration } from './plan.ts';
import { ensureSecrets } from './secrets/ensure-secrets.ts';

export async function runEnsure(logger: Logger): Promise<void> {
  const { namespace, plan } = readSetupConfiguration();
  const store = new KubernetesSecretStore(await loadCluster(), namespace, plan.instance);
  const outcomes = await ensureSecrets({
    store,
    plan,
    now: new Date(),
    warn: (sentence) => logger.warn(sentence),
  });
  for (const { secret, action, why } of outcomes) {
    logger.info({ name: secret, action, ...(why !== null && { why }) }, `Secret ${secret}: ${action}`);
  }
}
