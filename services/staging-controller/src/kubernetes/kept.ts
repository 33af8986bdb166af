/** What is remembered of each object. Small on purpose: it is held for every machine. */
import { createHash } from 'node:crypto';
import type { ApiObject } from './resource.ts';
import {
  ENROLLED_ANNOTATION,
  FIELD_MANAGER,
  FINGERPRINT_ANNOTATION,
  machineOfLabels,
  TOKEN_EXPIRES_ANNOTATION,
  TOKEN_MADE_ANNOTATION,
} from './names.ts';
import { parseBytes } from './quantity.ts';

export interface KeptObject {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** Null: its label names no machine. */
  readonly machineId: string | null;
  /** Of the manifest that we applied last; null: never. */
  readonly fingerprint: string | null;
  /** Which fields are ours; changes when somebody else takes one. */
  readonly ownedFields: string;
  readonly deleting: boolean;
}

export interface KeptClaim extends KeptObject {
  /** Pending, Bound or Lost. */
  readonly phase: string;
  readonly requestedBytes: number;
  /** Null: there is no volume yet. */
  readonly capacityBytes: number | null;
  /** Null: none was named, and there was no default. */
  readonly className: string | null;
  readonly volumeName: string;
  readonly accessModes: readonly string[];
}

export interface KeptStatefulSet extends KeptObject {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly rolling: boolean;
}

export interface KeptSecret extends KeptObject {
  readonly tokenMadeAt: Date | null;
  readonly tokenExpiresAt: Date | null;
  readonly enrolled: boolean;
}

export interface KeptService extends KeptObject {
  readonly nodePort: number | null;
  /** IP address or name that a load balancer has given it. */
  readonly externalHost: string | null;
}

interface ClaimObject extends ApiObject {
  readonly spec?: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
  readonly status?: { readonly phase?: string; readonly capacity?: { readonly storage?: string } };
}

interface StatefulSetObject extends ApiObject {
  readonly metadata?: ApiObject['metadata'] & { readonly generation?: number };
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
  };
}

interface ServiceObject extends ApiObject {
  readonly spec?: { readonly ports?: readonly { readonly nodePort?: number }[] };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

export function keepObject(kind: string, { metadata }: ApiObject): KeptObject {
  return {
    kind,
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    machineId: machineOfLabels(metadata?.labels),
    fingerprint: metadata?.annotations?.[FINGERPRINT_ANNOTATION] ?? null,
    ownedFields: ownedFields(metadata?.managedFields ?? []),
    deleting: metadata?.deletionTimestamp !== undefined,
  };
}

export function keepClaim(object: ApiObject): KeptClaim {
  const { spec, status } = object as ClaimObject;
  return {
    ...keepObject('PersistentVolumeClaim', object),
    phase: status?.phase ?? 'Pending',
    requestedBytes: parseBytes(spec?.resources?.requests?.storage) ?? 0,
    capacityBytes: parseBytes(status?.capacity?.storage),
    className: spec?.storageClassName ?? null,
    volumeName: spec?.volumeName ?? '',
    accessModes: spec?.accessModes ?? [],
  };
}

export function keepStatefulSet(object: ApiObject): KeptStatefulSet {
  const { metadata, spec, status } = object as StatefulSetObject;
  const replicas = spec?.replicas ?? 1;
  const readyReplicas = status?.readyReplicas ?? 0;
  const unseen = (status?.observedGeneration ?? 0) < (metadata?.generation ?? 1);
  const revised = status?.updateRevision !== undefined && status.currentRevision !== status.updateRevision;
  return {
    ...keepObject('StatefulSet', object),
    replicas,
    readyReplicas,
    rolling: unseen || revised || readyReplicas < replicas,
  };
}

export function keepSecret(object: ApiObject): KeptSecret {
  const annotations = object.metadata?.annotations;
  return {
    ...keepObject('Secret', object),
    tokenMadeAt: instant(annotations?.[TOKEN_MADE_ANNOTATION]),
    tokenExpiresAt: instant(annotations?.[TOKEN_EXPIRES_ANNOTATION]),
    enrolled: annotations?.[ENROLLED_ANNOTATION] === 'true',
  };
}

export function keepService(object: ApiObject): KeptService {
  const { spec, status } = object as ServiceObject;
  const external = status?.loadBalancer?.ingress?.[0];
  return {
    ...keepObject('Service', object),
    nodePort: spec?.ports?.[0]?.nodePort ?? null,
    externalHost: external?.ip ?? external?.hostname ?? null,
  };
}

function ownedFields(managed: NonNullable<NonNullable<ApiObject['metadata']>['managedFields']>): string {
  const ours = managed.find(({ manager, operation }) => manager === FIELD_MANAGER && operation === 'Apply');
  return ours === undefined ? '' : digest(ours.fieldsV1);
}

/** 96 bits: enough to tell one object's states apart. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}

function instant(text: string | undefined): Date | null {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? null : date;
}
