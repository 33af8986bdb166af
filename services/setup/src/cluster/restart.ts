/**
 * Replaces the pods of a StatefulSet, one after the other, as `kubectl rollout restart` does: an annotation of its template
 * changes. A run that dies before this leaves the old certificate in use until the pods are replaced for another reason;
 * half of its life is left for that.
 */
import { AppsV1Api, PatchStrategy, setHeaderOptions, type KubeConfig } from '@kubernetes/client-node';
import { fromApi, isMissing } from './api-failure.ts';
import { MANAGER_NAME } from './labels.ts';

const RESTARTED_ANNOTATION = 'live-migration-service/certificate-renewed-at';

/** False: there is none. */
export async function restartStatefulSet(
  config: KubeConfig,
  namespace: string,
  name: string,
  now: Date,
): Promise<boolean> {
  const annotations = { [RESTARTED_ANNOTATION]: now.toISOString() };
  try {
    await config.makeApiClient(AppsV1Api).patchNamespacedStatefulSet(
      {
        namespace,
        name,
        fieldManager: MANAGER_NAME,
        body: { spec: { template: { metadata: { annotations } } } },
      },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw fromApi(thrown, `restart of StatefulSet ${name}`);
  }
}
