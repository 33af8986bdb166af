/**
 * What is to be done so that one machine has its replication server, or has nothing any more. Pure: from what is wanted
 * and what is observed to changes in their order.
 *
 * Invariants: nothing is deleted but for a removal that stands in state, or where the settings have no use for it (an
 * address of another exposure); a volume claim is deleted last, and never for any other reason than a removal; it never
 * shrinks. A machine that the registry does not know keeps what it has (labels say that it is one).
 */
import type { WantedMachine } from '../driver.ts';
import type { KeptClaim, KeptObject, KeptSecret, KeptService, KeptStatefulSet } from './kept.ts';
import type { KeptPod } from './kept-pod.ts';
import {
  addressServiceManifests,
  claimManifest,
  fingerprintOf,
  networkPolicyManifest,
  serviceManifest,
  tlsRouteManifest,
  volumeBytes,
} from './manifests.ts';
import {
  NETWORK_POLICY,
  SECRET,
  SERVICE,
  STATEFUL_SET,
  VOLUME_CLAIM,
  type Manifest,
  type Resource,
} from './resource.ts';
import type { KubernetesSettings } from './settings.ts';
import { statefulSetManifest, type PodFacts } from './stateful-set.ts';

/** A token that runs out while an image is pulled costs a start; one that is made early costs nothing. */
const TOKEN_MARGIN_MILLISECONDS = 15 * 60_000;

export interface ObservedMachine {
  readonly claim: KeptClaim | null;
  readonly secret: KeptSecret | null;
  readonly services: readonly KeptService[];
  readonly policy: KeptObject | null;
  readonly routes: readonly KeptObject[];
  readonly statefulSet: KeptStatefulSet | null;
  readonly pod: KeptPod | null;
  /** Names of objects of which somebody else has taken fields since. */
  readonly drifted: ReadonlySet<string>;
}

export type StagingChange =
  | { readonly kind: 'apply'; readonly resource: Resource; readonly manifest: Manifest; readonly replacesPod: boolean }
  | { readonly kind: 'issueToken' }
  | { readonly kind: 'clearToken' }
  | { readonly kind: 'delete'; readonly resource: Resource; readonly object: KeptObject };

export interface MachinePlan {
  readonly changes: readonly StagingChange[];
  /** What has to happen elsewhere before the next change; null: nothing. */
  readonly waitsFor: string | null;
}

export interface PlanFacts extends PodFacts {
  readonly settings: KubernetesSettings;
  readonly routeResource: Resource | null;
  readonly now: Date;
}

export function planMachine(wanted: WantedMachine, observed: ObservedMachine, facts: PlanFacts): MachinePlan {
  const { settings } = facts;
  const { machineId, diskBytes } = wanted;
  const { claim } = observed;
  if (claim?.deleting === true) {
    return { changes: [], waitsFor: 'its volume claim is being deleted by somebody else' };
  }
  const changes: StagingChange[] = [...planPolicy(machineId, observed, settings)];
  if (claim === null && diskBytes === null) {
    return { changes, waitsFor: 'nobody has told yet which disks the machine has' };
  }
  const bytes = diskBytes === null ? 0 : volumeBytes(settings, diskBytes);
  ensure(changes, observed, VOLUME_CLAIM, claimManifest(settings, machineId, bytes, claim), claim);
  changes.push(...planToken(wanted, observed, facts.now));
  changes.push(...planAddresses(machineId, observed, facts));
  const { statefulSet } = observed;
  const manifest = statefulSetManifest(settings, machineId, facts);
  ensure(changes, observed, STATEFUL_SET, manifest, statefulSet, statefulSet !== null);
  return { changes, waitsFor: null };
}

/** In this order, so that what is left at any moment still belongs to a machine that a label names. */
export function planRemoval(observed: ObservedMachine, facts: PlanFacts): MachinePlan {
  const { statefulSet, pod, policy, secret, services, routes, claim } = observed;
  if (statefulSet !== null)
    return { changes: remove(STATEFUL_SET, statefulSet), waitsFor: 'its StatefulSet to be gone' };
  if (pod !== null) return { changes: [], waitsFor: `its pod ${pod.name} to end` };
  const { routeResource } = facts;
  const changes = [
    ...services.flatMap((service) => remove(SERVICE, service)),
    ...(routeResource === null ? [] : routes.flatMap((route) => remove(routeResource, route))),
    ...remove(SECRET, secret),
    ...remove(NETWORK_POLICY, policy),
    ...remove(VOLUME_CLAIM, claim),
  ];
  return { changes, waitsFor: claim === null ? null : 'its volume claim to be gone' };
}

function planPolicy(machineId: string, observed: ObservedMachine, settings: KubernetesSettings): StagingChange[] {
  const { policy } = observed;
  const changes: StagingChange[] = [];
  if (settings.networkPolicy.enabled) {
    ensure(changes, observed, NETWORK_POLICY, networkPolicyManifest(settings, machineId), policy);
  } else {
    changes.push(...remove(NETWORK_POLICY, policy));
  }
  return changes;
}

function planToken({ calledAt }: WantedMachine, { secret, pod }: ObservedMachine, now: Date): StagingChange[] {
  if (secret === null) return [{ kind: 'issueToken' }];
  const madeAt = secret.tokenMadeAt?.getTime() ?? 0;
  const ended = pod?.lastTermination;
  // It has lost its identity (a new volume, a manager that forgot it) and was refused with what it has.
  const refusedAt = ended?.failure?.code === 'UNAUTHENTICATED' ? (ended.finishedAt?.getTime() ?? 0) : 0;
  const calledSince = (instant: number): boolean => calledAt !== null && calledAt.getTime() > instant;
  if (refusedAt > madeAt && !calledSince(refusedAt)) return [{ kind: 'issueToken' }];
  if (secret.enrolled) return [];
  if (calledSince(madeAt)) return [{ kind: 'clearToken' }];
  const left = (secret.tokenExpiresAt?.getTime() ?? 0) - now.getTime();
  return left < TOKEN_MARGIN_MILLISECONDS ? [{ kind: 'issueToken' }] : [];
}

function planAddresses(machineId: string, observed: ObservedMachine, facts: PlanFacts): StagingChange[] {
  const { settings, routeResource } = facts;
  const changes: StagingChange[] = [];
  const wanted = [serviceManifest(settings, machineId), ...addressServiceManifests(settings, machineId)];
  for (const manifest of wanted) {
    const existing = observed.services.find(({ name }) => name === manifest.metadata.name) ?? null;
    ensure(changes, observed, SERVICE, manifest, existing);
  }
  for (const service of observed.services) {
    if (!wanted.some(({ metadata }) => metadata.name === service.name)) changes.push(...remove(SERVICE, service));
  }
  if (routeResource === null) return changes;
  const route = tlsRouteManifest(settings, machineId);
  if (route !== null) ensure(changes, observed, routeResource, route, observed.routes[0] ?? null);
  else changes.push(...observed.routes.flatMap((left) => remove(routeResource, left)));
  return changes;
}

/** What is there, and not on its way out already. */
function remove(resource: Resource, object: KeptObject | null): readonly StagingChange[] {
  return object === null || object.deleting ? [] : [{ kind: 'delete', resource, object }];
}

function ensure(
  changes: StagingChange[],
  { drifted }: ObservedMachine,
  resource: Resource,
  manifest: Manifest,
  existing: KeptObject | null,
  replacesPod = false,
): void {
  // What is being deleted comes back when it is gone.
  if (existing?.deleting === true) return;
  const asItShouldBe = existing?.fingerprint === fingerprintOf(manifest) && !drifted.has(keyOf(existing));
  if (!asItShouldBe) changes.push({ kind: 'apply', resource, manifest, replacesPod });
}

export function keyOf({ kind, name }: Pick<KeptObject, 'kind' | 'name'>): string {
  return `${kind}/${name}`;
}
