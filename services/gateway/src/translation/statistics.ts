import type { AgentSituation, AgentStatistics, ReplicationServerStatisticsBatch, Series } from '@lms/api';
import {
  ReplicationState,
  StallCause,
  wordOf,
  type AgentSample,
  type AgentSituation as ProtoAgentSituation,
  type ReplicationServerSample,
  type SeriesSample,
} from '@lms/proto';
import type { z } from 'zod';
import { instant, optionalCount } from './values.ts';
import { trackerWords } from './words.ts';

type ReportedStatistics = z.output<typeof ReplicationServerStatisticsBatch>['batch'][number];

export function agentSample(statistics: AgentStatistics): AgentSample {
  return {
    at: new Date(statistics.at),
    state: ReplicationState[statistics.state],
    stallCause: StallCause[statistics.stallCause ?? 'UNSPECIFIED'],
    stallDetail: statistics.stallDetail ?? '',
    detail: statistics.detail ?? '',
    disks: statistics.disks.map((disk) => ({
      diskId: disk.diskId,
      replicatedBytes: BigInt(disk.replicatedBytes),
      backlogBytes: BigInt(disk.backlogBytes),
      tracker: trackerWords.toProto(disk.tracker),
    })),
    bytesReadSource: BigInt(statistics.bytesReadSource),
    bytesSentWire: BigInt(statistics.bytesSentWire),
    bytesRaw: BigInt(statistics.bytesRaw),
    chunksRaw: BigInt(statistics.chunksRaw),
    chunksCompressed: BigInt(statistics.chunksCompressed),
    trackerLosses: BigInt(statistics.trackerLosses),
    ...(statistics.lastPauseMicroseconds === null
      ? {}
      : { lastPauseMicroseconds: BigInt(statistics.lastPauseMicroseconds) }),
    residentBytes: BigInt(statistics.residentBytes),
    cpuSeconds: statistics.cpuSeconds,
    situation: statistics.situation === undefined ? undefined : reportedSituation(statistics.situation),
    ...limitOf(statistics),
    ...writesOf(statistics),
  };
}

function writesOf({ bytesWritten, bytesDirtied }: AgentStatistics) {
  return {
    ...(bytesWritten !== undefined && { bytesWritten: BigInt(bytesWritten) }),
    ...(bytesDirtied !== undefined && { bytesDirtied: BigInt(bytesDirtied) }),
  };
}

function reportedSituation(situation: AgentSituation): ProtoAgentSituation {
  const { failure, managerFailure } = situation;
  return {
    instanceId: situation.instanceId,
    hostName: situation.hostName,
    certificateExpiresAt: new Date(situation.certificateExpiresAt),
    connected: situation.connected,
    failure:
      failure === null
        ? undefined
        : {
            ...failure,
            address: failure.address ?? '',
            at: new Date(failure.at),
            since: new Date(failure.since),
            proven: true,
          },
    managerFailure: managerFailure?.message ?? '',
    managerFailureAt: managerFailure === null ? undefined : new Date(managerFailure.at),
  };
}

export function replicationServerSample(statistics: ReportedStatistics): ReplicationServerSample {
  return {
    at: new Date(statistics.at),
    machineId: statistics.machineId,
    sessionConnected: statistics.session === 'connected',
    bytesReceivedWire: BigInt(statistics.bytesReceivedWire),
    bytesRaw: BigInt(statistics.bytesRaw),
    bytesWritten: BigInt(statistics.bytesWritten),
    lastMark: BigInt(statistics.lastMark),
    pointsCount: BigInt(statistics.pointsCount),
    usedBytes: BigInt(statistics.usedBytes),
    freeBytes: BigInt(statistics.freeBytes),
    stallCause: StallCause[statistics.stallCause ?? 'UNSPECIFIED'],
    stallDetail: statistics.stallDetail ?? '',
    steps: statistics.steps,
    residentBytes: BigInt(statistics.residentBytes),
    cpuSeconds: statistics.cpuSeconds,
    refusals: statistics.refusals.map((refusal) => ({
      ...refusal,
      address: refusal.address ?? '',
      at: new Date(refusal.at),
      since: undefined,
      resolved: [],
    })),
    ...limitOf(statistics),
  };
}

export function seriesAnswer(samples: readonly SeriesSample[]): Series {
  return {
    samples: samples.map((sample) => ({
      at: instant(sample.at),
      replicationState: wordOf(ReplicationState, sample.state),
      lagSeconds: sample.lagSeconds ?? null,
      backlogBytes: optionalCount(sample.backlogBytes),
      replicatedBytes: optionalCount(sample.replicatedBytes),
      bytesReadSource: optionalCount(sample.bytesReadSource),
      bytesSentWire: optionalCount(sample.bytesSentWire),
      bytesRaw: optionalCount(sample.bytesRaw),
      lastPauseMicroseconds: optionalCount(sample.lastPauseMicroseconds),
      residentBytes: optionalCount(sample.residentBytes),
      cpuSeconds: sample.cpuSeconds ?? null,
      trackerLosses: optionalCount(sample.trackerLosses),
      bandwidthLimitBitsPerSecond: optionalCount(sample.bandwidthLimitBitsPerSecond),
      bytesWritten: optionalCount(sample.bytesWritten),
      bytesDirtied: optionalCount(sample.bytesDirtied),
    })),
  };
}

function limitOf({ bandwidthLimitBitsPerSecond }: Pick<AgentStatistics, 'bandwidthLimitBitsPerSecond'>) {
  return typeof bandwidthLimitBitsPerSecond === 'number'
    ? { bandwidthLimitBitsPerSecond: BigInt(bandwidthLimitBitsPerSecond) }
    : {};
}
