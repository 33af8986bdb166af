/** What is to be done so that every machine has a replication server. Pure. */
export interface ObservedArea {
  /** Machines that the registry knows. */
  readonly machineIds: readonly string[];
  /** Machine id → name of its replication server, as it stands in state. */
  readonly assignments: ReadonlyMap<string, string>;
  /** Machine id → name of the replication server that reports about it. */
  readonly servedBy: ReadonlyMap<string, string>;
  /** Names of replication servers that the driver runs. */
  readonly running: ReadonlySet<string>;
  /** On one host: the one that serves all machines. */
  readonly sharedServer: string;
}

export type StagingAction =
  | { readonly kind: 'runServer'; readonly name: string }
  | { readonly kind: 'assign'; readonly machineId: string; readonly replicationServer: string };

/**
 * Nothing is ever taken away from a machine here: a registry that lost its state knows no machines for a while, and
 * replication must not end for that. A machine that is served already stays where its staging disks are.
 */
export function plan(observed: ObservedArea): readonly StagingAction[] {
  const actions: StagingAction[] = [];
  // Also without machines: agents are told its address the moment that they enrol.
  if (!observed.running.has(observed.sharedServer)) actions.push({ kind: 'runServer', name: observed.sharedServer });
  for (const machineId of new Set([...observed.machineIds, ...observed.servedBy.keys()])) {
    if (observed.assignments.has(machineId)) continue;
    const replicationServer = observed.servedBy.get(machineId) ?? observed.sharedServer;
    actions.push({ kind: 'assign', machineId, replicationServer });
  }
  return actions;
}
