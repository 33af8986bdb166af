import type { DiskReport, Machine } from '@lms/api';
import {
  LifecycleState,
  ReplicationState,
  StallCause,
  wordOf,
  type Disk,
  type Machine as ProtoMachine,
  type MachineStatus,
} from '@lms/proto';
import { pointAnswer } from './point.ts';
import { count, optionalCount, optionalInstant, optionalText } from './values.ts';
import { trackerWords } from './words.ts';

/** `status`: null when statistics cannot be had now; what follows from them is then unknown. */
export function machineAnswer(machine: ProtoMachine, status: MachineStatus | null): Machine {
  const samples = new Map(status?.disks.map((disk) => [disk.diskId, disk]));
  return {
    id: machine.machineId,
    name: machine.name,
    replicationState: wordOf(ReplicationState, status?.state ?? 0),
    stallCause: wordOf(StallCause, status?.stallCause ?? 0),
    detail: optionalText(status?.detail ?? ''),
    lifecycleState: wordOf(LifecycleState, machine.lifecycleState),
    lagSeconds: status?.lagSeconds ?? null,
    backlogBytes: optionalCount(status?.backlogBytes),
    lastPoint: machine.lastPoint === undefined ? null : pointAnswer(machine.lastPoint),
    agent: {
      version: optionalText(machine.agentVersion),
      connected: machine.agentConnected,
      lastSeenAt: optionalInstant(machine.lastSeenAt),
    },
    disks: machine.disks.map((disk) => {
      const sample = samples.get(disk.diskId);
      return {
        id: disk.diskId,
        device: disk.device,
        sizeBytes: count(disk.sizeBytes),
        replicatedBytes: optionalCount(sample?.replicatedBytes),
        backlogBytes: optionalCount(sample?.backlogBytes),
        tracker: trackerWords.toRest(sample?.tracker ?? 0),
      };
    }),
  };
}

export function reportedDisk(disk: DiskReport): Disk {
  return { diskId: disk.diskId, device: disk.device, sizeBytes: BigInt(disk.sizeBytes) };
}
