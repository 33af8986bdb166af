/** The core's status as the statistics that the manager gets. */
import type { AgentSituation, AgentStatistics } from '@lms/api';
import type { ReplicationStatus } from '../core/index.ts';

/** A sentence is bounded at the manager's edge. */
const MAXIMUM_SENTENCE_LENGTH = 2_000;

export function statisticsOf(
  status: ReplicationStatus,
  situation: AgentSituation,
  bandwidthLimitBitsPerSecond: number | null,
): AgentStatistics {
  const { counters } = status;
  const { user, system } = process.cpuUsage();
  return {
    at: new Date().toISOString(),
    state: status.state,
    stallCause: status.stallCause,
    stallDetail: sentence(status.stallDetail),
    detail: sentence(status.detail),
    disks: status.disks.map(({ diskId, replicatedBytes, backlogBytes, tracker }) => ({
      diskId,
      replicatedBytes,
      backlogBytes,
      tracker,
    })),
    bytesReadSource: counters.bytesReadSource,
    bytesSentWire: counters.bytesSentWire,
    bytesRaw: counters.bytesRaw,
    chunksRaw: counters.chunksRaw,
    chunksCompressed: counters.chunksCompressed,
    trackerLosses: counters.trackerLosses,
    lastPauseMicroseconds: counters.lastPauseMicroseconds,
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1_000_000,
    situation,
    bandwidthLimitBitsPerSecond,
    bytesWritten: status.disks.reduce((sum, disk) => sum + disk.bytesWritten, 0),
    bytesDirtied: status.disks.reduce((sum, disk) => sum + disk.bytesDirtied, 0),
  };
}

function sentence(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAXIMUM_SENTENCE_LENGTH);
}
