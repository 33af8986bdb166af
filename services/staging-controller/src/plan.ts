/** Which machine is assigned to which replication server. Pure. */
export interface ObservedArea {
  /** Machines that the registry knows. */
  readonly machineIds: readonly string[];
  /** Machine id → name of its replication server, as it stands in state. */
  readonly assignments: ReadonlyMap<string, string>;
  /** Machine id → name of the replication server that reports about it. */
  readonly servedBy: ReadonlyMap<string, string>;
  /** Machine id → name of the replication server that the driver has for it, whatever state says. */
  readonly found: ReadonlyMap<string, string>;
  /** Machines that an operator has removed. */
  readonly removed: ReadonlySet<string>;
  /** The one that a machine without any gets. */
  readonly serverOf: (machineId: string) => string;
}

export type StagingAction =
  | { readonly kind: 'assign'; readonly machineId: string; readonly replicationServer: string }
  | { readonly kind: 'release'; readonly machineId: string };

/**
 * Nothing is ever taken away from a machine here, unless an operator has removed it by name: a registry that lost its
 * state knows no machines for a while, and replication must not end for that. A machine that is served already, or of
 * which there are staging disks, stays where these are.
 */
export function plan(observed: ObservedArea): readonly StagingAction[] {
  const { machineIds, assignments, servedBy, found, removed, serverOf } = observed;
  const actions: StagingAction[] = [];
  for (const machineId of removed) if (assignments.has(machineId)) actions.push({ kind: 'release', machineId });
  for (const machineId of new Set([...machineIds, ...servedBy.keys(), ...found.keys()])) {
    if (assignments.has(machineId) || removed.has(machineId)) continue;
    const replicationServer = found.get(machineId) ?? servedBy.get(machineId) ?? serverOf(machineId);
    actions.push({ kind: 'assign', machineId, replicationServer });
  }
  return actions;
}
