/** From facts to words: the data replication state that operators see. Pure. */
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import type { LmsError } from '@lms/errors';
import type { TrackedDisk } from './change-tracker.ts';
import type { PointMaker } from './points.ts';
import type {
  AgentReplicationState,
  AgentStallCause,
  DiskStatus,
  ReplicationCounters,
  ReplicationSettings,
  ReplicationStatus,
  SessionFailure,
} from './status.ts';
import type { Tracking } from './tracking.ts';

/** Without a point for this many intervals, and at least two minutes of trying: not converging. */
const INTERVALS_UNTIL_STALLED = 10;
const LEAST_MILLISECONDS_UNTIL_STALLED = 120_000;

export interface SituationFacts {
  readonly stopped: boolean;
  readonly paused: boolean;
  readonly connected: boolean;
  readonly everConnected: boolean;
  /** What ended the last session, or kept it from beginning; null while one is good. */
  readonly failure: LmsError | null;
  readonly lastFailure: SessionFailure | null;
  readonly attempting: boolean;
  readonly backlogBlocksLimit: number;
  readonly tracking: Tracking;
  readonly points: PointMaker;
  readonly settings: ReplicationSettings;
  readonly counters: ReplicationCounters;
  readonly nowMilliseconds: number;
}

interface Situation {
  readonly state: AgentReplicationState;
  readonly stallCause?: AgentStallCause;
  readonly detail?: string;
}

export function describe(facts: SituationFacts): ReplicationStatus {
  const { state, stallCause, detail } = situationOf(facts);
  return {
    state,
    stallCause: stallCause ?? null,
    stallDetail: stallCause === undefined ? null : (detail ?? null),
    detail: detail ?? null,
    connected: facts.connected,
    lastFailure: facts.lastFailure,
    freezing: facts.points.freezing,
    lastPoint: facts.points.lastPoint,
    disks: facts.tracking.disks.map((tracked) => diskStatus(facts.tracking, tracked)),
    counters: { ...facts.counters },
  };
}

function situationOf(facts: SituationFacts): Situation {
  const { tracking, points } = facts;
  if (facts.stopped) return { state: 'STOPPED' };
  if (facts.paused) return { state: 'PAUSED' };
  if (facts.failure?.code === 'STAGING_FULL') {
    return { state: 'STALLED', stallCause: 'STAGING_FULL', detail: facts.failure.message };
  }
  if (facts.failure?.code === 'STAGING_ON_SOURCE' || facts.failure?.code === 'UNSUPPORTED') {
    return { state: 'STALLED', stallCause: 'UNSUPPORTED_CONFIGURATION', detail: facts.failure.message };
  }
  const unusable = tracking.unusable;
  if (unusable !== null && tracking.cannotStart) {
    return { state: 'STALLED', stallCause: 'UNSUPPORTED_CONFIGURATION', detail: unusable };
  }
  if (!tracking.started) return { state: 'INITIATING' };
  if (!facts.connected) {
    const state = facts.everConnected ? 'DISCONNECTED' : 'INITIATING';
    return facts.failure === null ? { state } : { state, detail: facts.failure.message };
  }
  if (unusable !== null) return { state: 'RESCAN', detail: unusable };
  if (tracking.state.initialSync.size > 0) return { state: 'INITIAL_SYNC' };
  if (tracking.disks.some(({ map }) => map.suspect.count > 0)) return { state: 'RESCAN' };
  const obstacle = points.obstacle;
  const patience = Math.max(
    LEAST_MILLISECONDS_UNTIL_STALLED,
    INTERVALS_UNTIL_STALLED * facts.settings.pointIntervalSeconds * 1000,
  );
  if (obstacle !== null && facts.nowMilliseconds - obstacle.sinceMilliseconds > patience) {
    return { state: 'STALLED', stallCause: 'NOT_CONVERGING', detail: obstacleText(facts, obstacle) };
  }
  const dirty = tracking.disks.reduce((sum, { map }) => sum + map.dirty.count, 0);
  if (dirty > facts.backlogBlocksLimit) return { state: 'BACKLOG' };
  if (facts.attempting && points.lastPoint === null) return { state: 'CREATING_SNAPSHOT' };
  return obstacle === null
    ? { state: 'CONTINUOUS' }
    : { state: 'CONTINUOUS', detail: `no point in time: ${obstacle.reason}` };
}

function obstacleText(facts: SituationFacts, obstacle: NonNullable<PointMaker['obstacle']>): string {
  const seconds = Math.round((facts.nowMilliseconds - obstacle.sinceMilliseconds) / 1000);
  const rate =
    obstacle.disk === null
      ? ''
      : `; it is written to at ${Math.round(facts.tracking.writeRate(obstacle.disk) / 1024)} KiB/s`;
  return `no point in time for ${seconds} s: ${obstacle.reason}${rate}`;
}

function diskStatus(tracking: Tracking, { disk, map }: TrackedDisk): DiskStatus {
  const differing = map.dirty.count + map.unacknowledgedCount;
  const backlogBytes = Math.min(disk.sizeBytes, differing * BLOCK_SIZE_BYTES);
  // Before tracking has started nothing is known, whatever the empty map says.
  const unknownBlocks = tracking.started ? differing + map.suspect.count : map.blockCount;
  const unknownBytes = Math.min(disk.sizeBytes, unknownBlocks * BLOCK_SIZE_BYTES);
  return {
    diskId: disk.diskId,
    device: disk.device,
    sizeBytes: disk.sizeBytes,
    replicatedBytes: disk.sizeBytes - unknownBytes,
    backlogBytes,
    tracker: 'trace',
    bytesWritten: tracking.bytesWritten(disk),
    bytesDirtied: map.dirtiedBlocks * BLOCK_SIZE_BYTES,
  };
}
