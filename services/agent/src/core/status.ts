/** What the agent's core says about itself: for heartbeats, statistics and `lms-agent status`. */
import type { PointConsistency } from '@lms/block-stream';
import type { ErrorCode, LmsError } from '@lms/errors';

export type AgentReplicationState =
  | 'INITIATING'
  | 'INITIAL_SYNC'
  | 'BACKLOG'
  | 'CREATING_SNAPSHOT'
  | 'CONTINUOUS'
  | 'PAUSED'
  | 'RESCAN'
  | 'STALLED'
  | 'DISCONNECTED'
  | 'STOPPED';

export type AgentStallCause = 'NOT_CONVERGING' | 'UNSUPPORTED_CONFIGURATION' | 'STAGING_FULL' | 'SNAPSHOTS_FAILURE';

export interface DiskStatus {
  readonly diskId: string;
  readonly device: string;
  readonly sizeBytes: number;
  /** Bytes that the replica is known to hold as the source does. */
  readonly replicatedBytes: number;
  readonly backlogBytes: number;
  readonly tracker: 'trace';
  /** Bytes that completed writes changed since the agent started, rewrites counted each time. */
  readonly bytesWritten: number;
  /** Bytes of blocks that writes made dirty since then: what is rewritten before it is sent counts once. */
  readonly bytesDirtied: number;
}

export interface ReplicationCounters {
  chunksRaw: number;
  chunksCompressed: number;
  blocksZero: number;
  blocksEqual: number;
  /** Of WRITE frames, before compression. */
  bytesRaw: number;
  /** Of WRITE frames' payloads. */
  bytesSentWire: number;
  bytesReadSource: number;
  trackerLosses: number;
  pointsCreated: number;
  windowsVoid: number;
  sessions: number;
  lastPauseMicroseconds: number | null;
}

export function newCounters(): ReplicationCounters {
  return {
    chunksRaw: 0,
    chunksCompressed: 0,
    blocksZero: 0,
    blocksEqual: 0,
    bytesRaw: 0,
    bytesSentWire: 0,
    bytesReadSource: 0,
    trackerLosses: 0,
    pointsCreated: 0,
    windowsVoid: 0,
    sessions: 0,
    lastPauseMicroseconds: null,
  };
}

/** What ended a session, or kept one from beginning. */
export interface SessionFailure {
  readonly error: LmsError;
  /** Unix epoch. */
  readonly atMicroseconds: number;
  /** Of the first of the same reason in a row, and how many there were. */
  readonly sinceMicroseconds: number;
  readonly count: number;
}

export interface ReplicationStatus {
  readonly state: AgentReplicationState;
  readonly stallCause: AgentStallCause | null;
  readonly stallDetail: string | null;
  /** One sentence about what is going on or wrong now; null when there is nothing to say. */
  readonly detail: string | null;
  readonly connected: boolean;
  /** The last one, whether or not there is a session since; null: none since the agent started. */
  readonly lastFailure: SessionFailure | null;
  readonly freezing: 'on' | 'off' | 'off-after-failures';
  readonly lastPoint: {
    readonly sequence: number;
    readonly consistency: PointConsistency;
    readonly instantMicroseconds: number;
  } | null;
  readonly disks: readonly DiskStatus[];
  readonly counters: Readonly<ReplicationCounters>;
}

export interface ReplicationSettings {
  /** Default 10 s. */
  readonly pointIntervalSeconds: number;
  /** Least time between freezes that nobody asked for; default 60 s. */
  readonly freezeIntervalSeconds: number;
  readonly freezing: boolean;
  readonly compression: 'adaptive' | 'on' | 'off';
}

export const DEFAULT_SETTINGS: ReplicationSettings = {
  pointIntervalSeconds: 10,
  freezeIntervalSeconds: 60,
  freezing: true,
  compression: 'adaptive',
};

export interface PointRequest {
  readonly requestId: string;
  /** The least that is accepted. */
  readonly consistency: PointConsistency;
  /** How long to try, from now. */
  readonly timeoutMilliseconds: number;
  readonly traceparent: string;
}

export type PointOutcome =
  | { readonly state: 'succeeded'; readonly sequence: number; readonly consistency: PointConsistency }
  | { readonly state: 'failed'; readonly code: ErrorCode; readonly message: string };

/** The trace of one point, from the agent's side. */
export interface PointTrace {
  /** W3C context that the checkpoint frame carries; empty without telemetry. */
  readonly traceparent: string;
  phase(name: 'drain' | 'freeze' | 'send' | 'commit'): void;
  end(failure: string | null): void;
}

export interface ReplicatorObserver {
  log(
    level: 'debug' | 'info' | 'warn' | 'error',
    message: string,
    attributes?: Readonly<Record<string, unknown>>,
  ): void;
  beginPoint(requestTraceparent: string): PointTrace;
  /** Between true and false nothing may be written to a disk or a terminal (R17). */
  frozen(isFrozen: boolean): void;
}
