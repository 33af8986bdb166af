/**
 * What the replication server's core asks of the world. The core does no I/O: the real process gives it TLS, files and
 * the clock; the simulation gives it its own, and crashes.
 */
import type { LmsError } from '@lms/errors';
import type { CheckpointFrame, DeviceNumber } from '@lms/block-stream';
import type { RetentionRow, StagedPoint, StagingStore } from '../store/staging-store.ts';

export interface Clock {
  /** Unix epoch, microseconds. May jump. */
  wallMicroseconds(): number;
  /** Monotonic, milliseconds. */
  monotonicMilliseconds(): number;
  /** Resolves after that time, or rejects with the signal's reason. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** R17: where our own data lies. */
export interface StagingLocation {
  /** `/proc/sys/kernel/random/boot_id` of this kernel. */
  readonly bootId: string;
  /** Every whole disk below the data folder: through partitions, loop backing files, dm and md. */
  wholeDiskNumbers(): Promise<readonly DeviceNumber[]>;
}

/** R11: durable counters, one per machine. */
export interface FencingGenerations {
  /** A number above every one that it returned before for this machine, also across restarts and power loss. */
  next(machineId: string): Promise<number>;
}

export interface MachineAssignment {
  readonly retention: readonly RetentionRow[];
}

/** Told what happens; its own failures are its own. */
export interface ReplicationObserver {
  sessionStarted(machineId: string, fencingGeneration: number): void;
  /** `error` is null when the agent ended the session in order. */
  sessionEnded(machineId: string, error: LmsError | null): void;
  /** Wraps the commit of a point: where its span is made (the frame has the trace context). Returns what `commit` returns. */
  aroundCheckpoint(
    machineId: string,
    checkpoint: CheckpointFrame,
    commit: () => Promise<StagedPoint>,
  ): Promise<StagedPoint>;
  /** The list of points changed: one was committed, or some were deleted. */
  pointsChanged(machineId: string, points: readonly StagedPoint[]): void;
  /** Something failed that ends no session (retention, closing a store). */
  warn(machineId: string, error: LmsError): void;
}

export interface ReplicationPorts {
  readonly clock: Clock;
  readonly location: StagingLocation;
  readonly fencing: FencingGenerations;
  readonly observer: ReplicationObserver;
  openStore(machineId: string): Promise<StagingStore>;
  /** Whether a store that was full may be written again. */
  hasRoom(machineId: string): Promise<boolean>;
  /** Null: the machine is not ours (any more). Asked at each connection and each checkpoint. */
  assignment(machineId: string): MachineAssignment | null;
}
