/** How the objects of a release are told apart. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
/** Of what this program makes. */
export const MANAGER_NAME = 'lms-setup';
/** Of what staging-controller makes for each machine. */
export const STAGING_MANAGER_NAME = 'lms-staging-controller';

export function labelsOf(instance: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'live-migration-service',
    'app.kubernetes.io/instance': instance,
    [MANAGED_BY_LABEL]: MANAGER_NAME,
  };
}

export function selectorOf(instance: string, further: Readonly<Record<string, string>>): string {
  const labels = { 'app.kubernetes.io/instance': instance, ...further };
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
