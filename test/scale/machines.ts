// Machines as they are: ids, disks, an inventory, and what their agents and replication servers report.

import type { AgentStatistics, ReplicationServerStatistics } from '@lms/api';
import type { Disk } from '@lms/proto';
import { readInventory } from '../../services/agent/src/enrolment/inventory.ts';

const GIBIBYTE = 1024 ** 3;
const DISK_BYTES = 100 * GIBIBYTE;

export function machineIdOf(index: number): string {
  return `m-${index.toString(16).padStart(20, '0')}`;
}

/** Two each, as the usual machine has: one of the system, one of the data. */
export function disksOf(index: number): Disk[] {
  return ['a', 'b'].map((letter) => ({
    diskId: `serial-${index.toString(16).padStart(12, '0')}-${letter}`,
    device: `/dev/sd${letter}`,
    sizeBytes: BigInt(DISK_BYTES),
  }));
}

export function heartbeatOf(index: number) {
  const disks = disksOf(index).map((disk) => ({ ...disk, sizeBytes: Number(disk.sizeBytes) }));
  return { version: '0.1.0', bootId: '00000000-0000-4000-8000-000000000001', name: `source-${index}`, disks };
}

/** As an agent tells it with its first heartbeat, of this machine. */
export const INVENTORY_JSON = JSON.stringify(readInventory());

export function agentSampleOf(index: number): AgentStatistics {
  return {
    at: new Date().toISOString(),
    state: 'CONTINUOUS',
    stallCause: null,
    stallDetail: null,
    detail: null,
    disks: disksOf(index).map(({ diskId }) => ({
      diskId,
      replicatedBytes: DISK_BYTES,
      backlogBytes: index * 65_536,
      tracker: 'trace',
    })),
    bytesReadSource: 3 * DISK_BYTES,
    bytesSentWire: DISK_BYTES,
    bytesRaw: 2 * DISK_BYTES,
    chunksRaw: 100_000,
    chunksCompressed: 1_000_000,
    trackerLosses: 0,
    lastPauseMicroseconds: 21_000,
    residentBytes: 90_000_000,
    cpuSeconds: 1_234.5,
  };
}

export function serverSampleOf(index: number): ReplicationServerStatistics {
  return {
    at: new Date().toISOString(),
    machineId: machineIdOf(index),
    session: 'connected',
    bytesReceivedWire: DISK_BYTES,
    bytesRaw: 2 * DISK_BYTES,
    bytesWritten: 2 * DISK_BYTES,
    lastMark: 100_000 + index,
    pointsCount: 37,
    usedBytes: 2 * DISK_BYTES,
    freeBytes: DISK_BYTES,
    stallCause: null,
    stallDetail: null,
    steps: { stagingDisks: true, connected: true, dataTransfer: true },
    residentBytes: 100_000_000,
    cpuSeconds: 123.4,
  };
}
