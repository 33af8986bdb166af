// The pods that a rendered chart leads to.

import { z } from 'zod';
import { find, type ChartObject } from './chart.ts';
import { parseKubernetesSettings } from '../../../services/staging-controller/src/kubernetes/settings.ts';
import { statefulSetManifest } from '../../../services/staging-controller/src/kubernetes/stateful-set.ts';

const SECRET_KEY = z.looseObject({ name: z.string(), key: z.string() });
const ENVIRONMENT = z.array(
  z.looseObject({
    name: z.string(),
    value: z.string().optional(),
    valueFrom: z.looseObject({ secretKeyRef: SECRET_KEY.optional() }).optional(),
  }),
);
const CONTAINER = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).default([]),
  env: ENVIRONMENT.default([]),
  resources: z.looseObject({ requests: z.looseObject({}) }),
});
const VOLUME = z.looseObject({
  name: z.string(),
  secret: z
    .looseObject({ secretName: z.string(), items: z.array(z.looseObject({ key: z.string() })).optional() })
    .optional(),
});
const SPEC = z.looseObject({
  serviceAccountName: z.string(),
  automountServiceAccountToken: z.boolean(),
  containers: z.array(CONTAINER),
  initContainers: z.array(CONTAINER).default([]),
  volumes: z.array(VOLUME),
});
const TEMPLATE = z.looseObject({
  metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
  spec: SPEC,
});
const WORKLOAD = z.looseObject({
  template: TEMPLATE,
  volumeClaimTemplates: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).default([]),
});
const CRON_JOB = z.looseObject({ jobTemplate: z.looseObject({ spec: WORKLOAD }) });

export interface ChartPod {
  /** `Deployment/lms-gateway`. */
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: z.infer<typeof SPEC>;
}

export const MACHINE = 'm-0123456789abcdef0123';

export function podsOf(objects: readonly ChartObject[]): readonly ChartPod[] {
  const pods = objects.flatMap((object): ChartPod[] => {
    const owner = `${object.kind}/${object.metadata.name}`;
    const template = templateOf(object);
    return template === null ? [] : [{ owner, labels: template.metadata.labels, spec: template.spec }];
  });
  return [...pods, replicationServerPod(objects)];
}

/** As staging-controller makes it by the file of the chart. */
function replicationServerPod(objects: readonly ChartObject[]): ChartPod {
  const manifest = statefulSetManifest(settingsOf(objects), MACHINE, { caSha256: 'ab'.repeat(32) });
  const { template } = WORKLOAD.parse(manifest['spec']);
  return { owner: `StatefulSet/${manifest.metadata.name}`, labels: template.metadata.labels, spec: template.spec };
}

export function settingsOf(objects: readonly ChartObject[]) {
  const data = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith('-staging-controller'),
  );
  const text = z.looseObject({ 'settings.json': z.string() }).parse(data?.['data'])['settings.json'];
  return parseKubernetesSettings(text, 'settings.json');
}

function templateOf(object: ChartObject): z.infer<typeof TEMPLATE> | null {
  if (object.kind === 'Pod') return TEMPLATE.parse({ metadata: object.metadata, spec: object['spec'] });
  if (object.kind === 'CronJob') return CRON_JOB.parse(object['spec']).jobTemplate.spec.template;
  if (!['Deployment', 'StatefulSet', 'Job'].includes(object.kind)) return null;
  const { template, volumeClaimTemplates } = WORKLOAD.parse(object['spec']);
  // As the controller of StatefulSets adds them.
  const claimed = volumeClaimTemplates.map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-${object.metadata.name}-0` },
  }));
  return { ...template, spec: { ...template.spec, volumes: [...template.spec.volumes, ...claimed] } };
}

/** Variables with a value of a container in a pod of this object. */
export function environmentOf(objects: readonly ChartObject[], kind: string, name: string): Record<string, string> {
  const template = templateOf(find(objects, kind, name));
  const container = template?.spec.initContainers[0] ?? template?.spec.containers[0];
  return Object.fromEntries(
    container?.env.flatMap((set) => (set.value === undefined ? [] : [[set.name, set.value]])) ?? [],
  );
}

/** `secret/key` of everything that a pod needs before it can start. */
export function secretKeysOf({ spec }: ChartPod): readonly string[] {
  const containers = [...spec.containers, ...spec.initContainers];
  const variables = containers.flatMap(({ env }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
  const files = spec.volumes.flatMap(({ secret }) =>
    (secret?.items ?? [{ key: '' }]).flatMap(({ key }) =>
      secret === undefined ? [] : { name: secret.secretName, key },
    ),
  );
  return [...variables, ...files].map(({ name, key }) => `${name}/${key}`);
}
