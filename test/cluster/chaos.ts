// Pods that end without a warning.

import type { SeededChoice } from '../harness/seed.ts';
import type { Cluster } from './cluster.ts';
import { killProcessesOfPod } from './node.ts';
import type { Release } from './release.ts';

export const VICTIMS = ['gateway', 'registry', 'nats', 'staging-controller', 'router', 'replication-server'] as const;
export type Victim = (typeof VICTIMS)[number];

/** One of its pods, by a kill of its processes or by a deletion without grace. Returns what was done, in words. */
export async function killOne(
  cluster: Cluster,
  release: Release,
  victim: Victim,
  choice: SeededChoice,
): Promise<string> {
  const { namespace } = release;
  const pods = await cluster.pods(namespace, release.selector(victim));
  const pod = pods[choice.below(Math.max(1, pods.length))];
  if (pod === undefined) throw new Error(`there is no pod of ${victim}`);
  const { name, uid } = pod.metadata;
  if (choice.below(2) === 0) {
    await killProcessesOfPod(cluster, uid);
    return `processes of ${name} killed`;
  }
  await cluster.kubectl('delete', 'pod', name, '--namespace', namespace, '--grace-period=0', '--force', '--wait=false');
  return `${name} deleted`;
}

export function shuffled<Item>(items: readonly Item[], choice: SeededChoice): readonly Item[] {
  const rest = [...items];
  return items.map(() => rest.splice(choice.below(rest.length), 1)[0] as Item);
}
