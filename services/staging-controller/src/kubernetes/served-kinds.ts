/** Which version of a kind the cluster serves, if it has the kind at all. Everybody who is known to it may ask. */
import { z } from 'zod';
import { isApiFailure } from './api-failure.ts';
import type { KubernetesApi } from './api.ts';

const GROUP = z.object({ versions: z.array(z.object({ groupVersion: z.string() })) });
const VERSION = z.object({ resources: z.array(z.object({ name: z.string() })) });

/** Such as `gateway.networking.k8s.io/v1`; null: it has none. */
export async function findServedVersion(
  api: Pick<KubernetesApi, 'describe'>,
  group: string,
  plural: string,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const { versions } = GROUP.parse(await api.describe(`/apis/${group}`, signal));
    for (const { groupVersion } of versions) {
      const { resources } = VERSION.parse(await api.describe(`/apis/${groupVersion}`, signal));
      if (resources.some(({ name }) => name === plural)) return groupVersion;
    }
    return null;
  } catch (thrown) {
    if (isApiFailure(thrown, 404)) return null;
    throw thrown;
  }
}
