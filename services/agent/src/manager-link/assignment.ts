/**
 * What the manager last said: where the replication server is, the settings, whether to pause. Kept in the state folder, so
 * that an agent (or a machine) that starts while the manager is away goes on replicating.
 */
import { HeartbeatAnswer } from '@lms/api';
import type { BlockStreamAddress } from '@lms/api';
import type { z } from 'zod';

export const Assignment = HeartbeatAnswer.pick({
  blockStream: true,
  blockStreamAlternatives: true,
  settings: true,
  desired: true,
});
export type Assignment = z.infer<typeof Assignment>;

/** In the order to try; empty: there is none yet. */
export function blockStreamAddresses({
  blockStream,
  blockStreamAlternatives,
}: Pick<Assignment, 'blockStream' | 'blockStreamAlternatives'>): readonly BlockStreamAddress[] {
  return blockStream === null ? [] : [blockStream, ...blockStreamAlternatives];
}

/** What a check tries first is what is connected to, or was tried last. */
export function inUseFirst(
  inUse: BlockStreamAddress | null,
  assignment: Assignment | null,
): readonly BlockStreamAddress[] {
  const named = assignment === null ? [] : blockStreamAddresses(assignment);
  const isInUse = ({ host, port }: BlockStreamAddress): boolean => host === inUse?.host && port === inUse.port;
  return named.toSorted((a, b) => Number(isInUse(b)) - Number(isInUse(a)));
}

export function parseAssignment(text: string | null): Assignment | null {
  if (text === null) return null;
  try {
    return Assignment.parse(JSON.parse(text));
  } catch {
    return null; // An older agent's; the next heartbeat brings a new one.
  }
}

export function sameAssignment(first: Assignment, second: Assignment): boolean {
  return JSON.stringify(Assignment.parse(first)) === JSON.stringify(Assignment.parse(second));
}
