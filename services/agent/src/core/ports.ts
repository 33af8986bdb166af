/**
 * What the agent's core asks of the world. The core does no I/O: the real agent gives it the kernel, the network and
 * the clock; the simulation gives it its own, and crashes.
 */
import type { DeviceNumber, FrameConnection } from '@lms/block-stream';
import type { Operation } from './operation.ts';

/** A source disk that was admitted (R6, R7). */
export interface SourceDisk {
  /** Stable identity (R7). */
  readonly diskId: string;
  readonly device: string;
  readonly sizeBytes: number;
  readonly deviceNumber: DeviceNumber;
  /** `/sys/block/X/diskseq` and boot id: another one is another disk (R4). */
  readonly generation: string;
  /** Reads with O_DIRECT. `target` is page-aligned; offset and length are multiples of the logical block size. */
  read(offsetBytes: number, target: Uint8Array): Promise<void>;
  /** Size, generation and presence as they are now; another answer than at the start is a loss of tracking. */
  inspect(): { readonly present: boolean; readonly sizeBytes: number; readonly generation: string };
  /** Writes (discards among them) that the device has not completed: second figure of `/sys/block/X/inflight`. */
  writesInFlight(): number;
}

export const EVENT_KINDS = ['queue', 'issue', 'complete'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Receives what one processor's ring held, in order. Numbers only: this is the hot path. */
export interface TraceVisitor {
  /** `deviceNumber` is the whole disk's for issue and complete; for queue it may be a partition's. Sectors are 512 bytes, relative to the whole disk. */
  block(kind: EventKind, deviceNumber: DeviceNumber, sector: number, sectorCount: number, operation: Operation): void;
  marker(markerId: number): void;
  /** The kernel left a LOST mark, or an event could not be parsed. */
  lost(reason: string): void;
}

export interface ProcessorStatistics {
  readonly overrun: number;
  readonly commitOverrun: number;
  readonly droppedEvents: number;
  /** Grows exactly with what was handed out to us. */
  readonly readEvents: number;
}

/** A tracefs instance of our own, filtered and enabled for the admitted disks. */
export interface TraceInstance {
  /** Processors whose rings are read, ascending. */
  readonly processors: readonly number[];
  /** True when the instance was there already, left by an earlier process of this agent. */
  readonly adopted: boolean;
  /** Hands all that the ring of one processor holds now to the visitor. Never blocks. Throws when the instance is gone. */
  readEvents(processor: number, visitor: TraceVisitor): void;
  statistics(processor: number): ProcessorStatistics;
  /** tracing_on, events enabled, filters, processors online, identity of the instance: null when all are as they were set, else what differs. */
  difference(): string | null;
  /** Writes marker `markerId` (1 to 2^31-1) into every processor's ring. Bounded by `timeoutMilliseconds`. */
  writeMarkers(markerId: number, timeoutMilliseconds: number): Promise<void>;
  /** Whole-disk number of a partition (or of a whole disk itself); null when the kernel does not know it. */
  wholeDisk(deviceNumber: DeviceNumber): DeviceNumber | null;
  /**
   * The canary (R5): an O_DIRECT read of the disk whose completion the filter lets through.
   * Returns the sector range that was read, to be found among the events.
   */
  sendCanary(disk: SourceDisk): Promise<{ readonly sector: number; readonly sectorCount: number }>;
  close(): Promise<void>;
}

export interface ThawReport {
  /** FIFREEZE call to FITHAW return. */
  readonly pauseMicroseconds: number;
  /** False when the guardian (or somebody else) thawed before we asked: the window is void. */
  readonly intact: boolean;
}

/** Freezes every writable file system on the machine's disks, through the guardian (R16, R17). */
export interface Freezer {
  /** Mounted writable superblocks on the disks; 0 counts as frozen. */
  countMounts(): Promise<number>;
  /** syncfs of each, so that FIFREEZE has little left to write. */
  flush(signal: AbortSignal): Promise<void>;
  /**
   * Freezes all that can be frozen; returns the mount points whose file systems know no freeze (vfat, FUSE): [] when
   * all are frozen. Rejects with what failed (EBUSY: FAILED_PRECONDITION), and everything is thawed.
   */
  freeze(limitMilliseconds: number): Promise<readonly string[]>;
  thaw(): Promise<ThawReport>;
}

export interface Clock {
  /** Unix epoch, microseconds. May jump. */
  wallMicroseconds(): number;
  /** Monotonic, milliseconds. */
  monotonicMilliseconds(): number;
  /** Resolves after that time, or rejects with the signal's reason. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/**
 * Memory that outlives the process but not the boot (a tmpfs folder): the dirty map and what belongs to it.
 * Calls are synchronous and ordered; a kill loses none that returned and tears at most the last.
 */
export interface RuntimeMemory {
  /** Null when there is none. */
  read(name: string): Uint8Array | null;
  /** Replaces a whole small record atomically. */
  replace(name: string, data: Uint8Array): void;
  /** Makes (or re-makes) a file of zeros. */
  allocate(name: string, sizeBytes: number): void;
  writeAt(name: string, offsetBytes: number, data: Uint8Array): void;
}

/** Opens a block-stream connection to the assigned replication server; rejects with an `LmsError`. */
export type Connect = (signal: AbortSignal) => Promise<FrameConnection>;

/** Page-aligned buffers for O_DIRECT. */
export interface BufferPool {
  /** Waits until a buffer of 1 MiB is free (R10). */
  acquire(signal: AbortSignal): Promise<Uint8Array>;
  release(buffer: Uint8Array): void;
  readonly capacityBuffers: number;
}
