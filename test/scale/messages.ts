// What is stored of each machine, message by message, as the services store it.

import { encodeState, messageState } from '../../libs/events/src/state-codec.ts';
import {
  Machine,
  Point,
  ReportAgentStatisticsRequest,
  ReportReplicationServerStatisticsRequest,
  type Event,
} from '@lms/proto';
import { agentSample, replicationServerSample } from '../../services/gateway/src/translation/statistics.ts';
import { newMachine } from '../../services/registry/src/machine-rules.ts';
import { pointKey } from '../../services/registry/src/point-rules.ts';
import { agentSampleOf, disksOf, INVENTORY_JSON, machineIdOf, serverSampleOf } from './machines.ts';

const SCHEMA_VERSION = 1;
const MACHINES = messageState(Machine, SCHEMA_VERSION);
const POINTS = messageState(Point, SCHEMA_VERSION);

export function agentReport(index: number): Uint8Array {
  const batch = [agentSample(agentSampleOf(index))];
  return ReportAgentStatisticsRequest.encode({ machineId: machineIdOf(index), batch }).finish();
}

export function serverReport(index: number): Uint8Array {
  const machineId = machineIdOf(index);
  const batch = [replicationServerSample({ ...serverSampleOf(index), stallDetail: null, refusals: [] })];
  return ReportReplicationServerStatisticsRequest.encode({ replicationServer: `rs-${machineId}`, batch }).finish();
}

export function pointOf(index: number, sequence: number): Point {
  return {
    sequence: BigInt(sequence),
    checkpointId: '00000000-0000-4000-8000-000000000001',
    requestId: '',
    consistency: 1,
    createdAt: new Date().toISOString(),
    pauseMicroseconds: 21_000n,
    disks: disksOf(index).map((disk) => ({ ...disk, sha256: '' })),
    pinned: false,
  };
}

export function pointCommitted(index: number, sequence: number): Event {
  const fact = { $case: 'pointCommitted', value: { point: pointOf(index, sequence) } } as const;
  return { occurredAt: new Date(), machineId: machineIdOf(index), fact };
}

export function storedMachine(index: number): { readonly key: string; readonly value: string } {
  const machineId = machineIdOf(index);
  const machine = newMachine(
    { machineId, name: `source-${index}`, disks: disksOf(index), agentVersion: '0.1.0', inventoryJson: INVENTORY_JSON },
    new Date(),
  );
  return { key: machineId, value: encodeState(MACHINES, { ...machine, lastSeenAt: new Date() }) };
}

export function storedPoint(index: number, sequence: number): { readonly key: string; readonly value: string } {
  const key = pointKey(machineIdOf(index), BigInt(sequence));
  return { key, value: encodeState(POINTS, pointOf(index, sequence)) };
}
