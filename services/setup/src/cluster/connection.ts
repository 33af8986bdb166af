/** Which API server, and as whom: `KUBECONFIG` where it is set, else the service account of the pod. */
import type { KubeConfig } from '@kubernetes/client-node';
import { LmsError } from '@lms/errors';

export async function loadCluster(): Promise<KubeConfig> {
  const { KubeConfig: Config } = await import('@kubernetes/client-node');
  const config = new Config();
  config.loadFromDefault();
  if (config.getCurrentCluster() === null) {
    throw new LmsError('INVALID_ARGUMENT', 'no cluster is configured', {
      action: 'Run this in a pod, or set KUBECONFIG.',
    });
  }
  return config;
}
