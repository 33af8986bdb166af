/** The part of Gateway API's TLSRoute that we write, with the API server's own checks of it. */
import { ApiextensionsV1Api, CustomObjectsApi, type KubeConfig, type V1JSONSchemaProps } from '@kubernetes/client-node';
import { until } from '../harness/until.ts';

const GROUP = 'gateway.networking.k8s.io';
const VERSION = 'v1alpha2';
const NAME = { type: 'string', minLength: 1, maxLength: 253 };
const PORT = { type: 'integer', format: 'int32', minimum: 1, maximum: 65_535 };
const REFERENCE: V1JSONSchemaProps = {
  type: 'object',
  required: ['name'],
  properties: { name: NAME, namespace: NAME, sectionName: NAME, port: PORT, group: { type: 'string' }, kind: NAME },
};
const SPEC: V1JSONSchemaProps = {
  type: 'object',
  required: ['rules'],
  properties: {
    parentRefs: { type: 'array', maxItems: 32, items: REFERENCE },
    hostnames: {
      type: 'array',
      maxItems: 16,
      items: {
        type: 'string',
        maxLength: 253,
        pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
      },
    },
    rules: {
      type: 'array',
      minItems: 1,
      maxItems: 16,
      items: {
        type: 'object',
        properties: { backendRefs: { type: 'array', minItems: 1, maxItems: 16, items: REFERENCE } },
      },
    },
  },
};

/** Resolves when the API server serves it. */
export async function installTlsRoutes(config: KubeConfig): Promise<void> {
  const names = { plural: 'tlsroutes', singular: 'tlsroute', kind: 'TLSRoute', listKind: 'TLSRouteList' };
  await config.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({
    body: {
      metadata: {
        name: `${names.plural}.${GROUP}`,
        annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
      },
      spec: {
        group: GROUP,
        names,
        scope: 'Namespaced',
        versions: [
          {
            name: VERSION,
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', required: ['spec'], properties: { spec: SPEC } } },
          },
        ],
      },
    },
  });
  const { plural } = names;
  await until('the new kind', async () => {
    await config.makeApiClient(CustomObjectsApi).listClusterCustomObject({ group: GROUP, version: VERSION, plural });
    return true;
  });
}

export interface TlsRoute {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly parentRefs: unknown; readonly hostnames: unknown; readonly rules: unknown };
}

export async function tlsRoutesOf(config: KubeConfig, namespace: string): Promise<readonly TlsRoute[]> {
  const custom = config.makeApiClient(CustomObjectsApi);
  const answer = (await custom.listNamespacedCustomObject({
    group: GROUP,
    version: VERSION,
    namespace,
    plural: 'tlsroutes',
  })) as { items: TlsRoute[] };
  return answer.items;
}
