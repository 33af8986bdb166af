/** How objects are called and labelled. Labels alone say which machine an object belongs to: state can be lost. */
import type { KubernetesSettings } from './settings.ts';

export const FIELD_MANAGER = 'lms-staging-controller';
export const MACHINE_LABEL = 'live-migration-service/machine-id';
/** Digest of the manifest that was applied: what is as it should be needs no call. */
export const FINGERPRINT_ANNOTATION = 'live-migration-service/applied';
/** Of a bootstrap secret, RFC 3339. */
export const TOKEN_MADE_ANNOTATION = 'live-migration-service/token-made-at';
export const TOKEN_EXPIRES_ANNOTATION = 'live-migration-service/token-expires-at';
/** Of a bootstrap secret: the server has its certificate, and the token is gone. */
export const ENROLLED_ANNOTATION = 'live-migration-service/enrolled';

const COMPONENT = 'replication-server';
const MACHINE_ID = /^m-[0-9a-f]{20}$/;

type Release = Pick<KubernetesSettings, 'fullName' | 'instance' | 'namespace'>;

/** Of all objects of one machine; the pod's has `-0` behind it. */
export function objectName({ fullName }: Release, machineId: string): string {
  return `${fullName}-rs-${machineId}`;
}

export type AddressKind = 'public' | 'private';

/** The Service with an address of its own, where each machine has one. */
export function addressServiceName(release: Release, machineId: string, kind: AddressKind): string {
  return `${objectName(release, machineId)}-${kind}`;
}

/** As the manager knows the replication server. */
export function serverNameOf(machineId: string): string {
  return `rs-${machineId}`;
}

/** Never changes for a machine: a StatefulSet's selector cannot. */
export function selectorLabels({ instance }: Release, machineId: string): Record<string, string> {
  return {
    'app.kubernetes.io/instance': instance,
    'app.kubernetes.io/component': COMPONENT,
    [MACHINE_LABEL]: machineId,
  };
}

export function labelsOf(release: Release, machineId: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'live-migration-service',
    ...selectorLabels(release, machineId),
    'app.kubernetes.io/managed-by': FIELD_MANAGER,
  };
}

/** Of what the controllers share among themselves. */
export function controllerLabels({ instance }: Release): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'live-migration-service',
    'app.kubernetes.io/instance': instance,
    'app.kubernetes.io/component': 'staging-controller',
    'app.kubernetes.io/managed-by': FIELD_MANAGER,
  };
}

/** Of everything that this controller makes for machines, pods included. */
export function releaseSelector({ instance }: Release): string {
  return [
    `app.kubernetes.io/instance=${instance}`,
    `app.kubernetes.io/component=${COMPONENT}`,
    `app.kubernetes.io/managed-by=${FIELD_MANAGER}`,
  ].join(',');
}

/** Null: the label is missing, or somebody wrote something into it that is no machine's id. */
export function machineOfLabels(labels: Readonly<Record<string, string>> | undefined): string | null {
  const id = labels?.[MACHINE_LABEL];
  return id !== undefined && MACHINE_ID.test(id) ? id : null;
}

/** Of an event: its object is known only by its name. */
export function machineOfName({ fullName }: Release, name: string): string | null {
  const prefix = `${fullName}-rs-`;
  const id = name.startsWith(prefix) ? /^m-[0-9a-f]{20}(?=-|$)/.exec(name.slice(prefix.length))?.[0] : undefined;
  return id ?? null;
}
