/**
 * Which machines a replication server serves, as it is told. The revision is made of the content: it is the same in every
 * replica and after every restart, and changes when, and only when, there is something to tell.
 */
import { createHash } from 'node:crypto';
import { WatchAssignmentsResponse, type AssignedMachine } from '@lms/proto';

export function assignmentsAnswer(
  machines: readonly AssignedMachine[],
  removed: readonly string[],
): WatchAssignmentsResponse {
  const sorted = machines.toSorted((a, b) => (a.machineId < b.machineId ? -1 : 1));
  const removedMachineIds = removed.toSorted();
  const content = WatchAssignmentsResponse.encode({ revision: 0n, machines: sorted, removedMachineIds }).finish();
  const digest = createHash('sha256').update(content).digest();
  // 63 bits, and never 0, which means "none yet".
  return { revision: (digest.readBigUInt64BE(0) >> 1n) | 1n, machines: sorted, removedMachineIds };
}
