/**
 * The frames of the block stream (TCP 1500), as values. `codec.ts` gives them bytes; `docs/protocol.md` says which.
 *
 * A disk is an array of 64 KiB blocks; the last may be short. A block is the unit of the dirty map, of the digest
 * and of a write (R15). One WRITE carries 1 to 16 consecutive blocks (1 MiB), so that compression has something to
 * work on and TLS gets long writes; each block still has its own digest.
 */
export const BLOCK_SIZE_BYTES = 65_536;
/** 16 blocks: 1 MiB of raw data a WRITE. */
export const MAXIMUM_BLOCKS_PER_WRITE = 16;
/** Longest frame, header included (R8). */
export const MAXIMUM_FRAME_BYTES = 4 * 1024 * 1024;
/** Longest digest exchange: 65,536 blocks (4 GiB of disk), 1 MiB of digests. */
export const MAXIMUM_BLOCKS_PER_DIGEST_REQUEST = 65_536;
/** Length of one digest: a GMAC tag. All zero bytes mean "no digest known". */
export const DIGEST_BYTES = 16;
export const PROTOCOL_VERSION = 1;
export const ALPN_PROTOCOL = 'lms-block/1';
/** A connection that only asks whether the way is good: it never becomes a session, so it disturbs none (R11). */
export const CHECK_ALPN_PROTOCOL = 'lms-block-check/1';
/** Of a check, each way in one frame: some seven hundred packets. */
export const MAXIMUM_CHECK_PADDING_BYTES = 1024 * 1024;

export type BlockCodec = 'raw' | 'zstd';

/** Whole-disk number in the kernel's own encoding: `major << 20 | minor`. */
export type DeviceNumber = number;

export interface HelloDisk {
  /** Stable identity (R7), 1 to 128 characters of `[A-Za-z0-9._:-]`. */
  readonly diskId: string;
  /** As the source calls it now, for people: `/dev/sda`. */
  readonly device: string;
  readonly sizeBytes: number;
}

export interface HelloFrame {
  readonly type: 'hello';
  readonly protocolMinimum: number;
  readonly protocolMaximum: number;
  readonly agentVersion: string;
  readonly capabilities: readonly string[];
  /** R17: a replication server on the same boot whose data lies on one of `wholeDiskNumbers` refuses. */
  readonly bootId: string;
  readonly wholeDiskNumbers: readonly DeviceNumber[];
  /** Names one life of the agent's dirty map. Marks compare only within one epoch. */
  readonly mapEpoch: string;
  /** Highest mark of this epoch that the agent has seen acknowledged; 0 when none. */
  readonly acknowledgedMark: number;
  readonly disks: readonly HelloDisk[];
}

export interface HelloAnswerDisk {
  readonly diskId: string;
  /** What frames of this session call the disk. */
  readonly diskIndex: number;
  /** True when the server holds nothing of it: everything must be sent. */
  readonly empty: boolean;
}

export interface HelloAnswerFrame {
  readonly type: 'helloAnswer';
  readonly protocol: number;
  readonly capabilities: readonly string[];
  /** R11: grows with every hello of the machine; older sessions are closed with FENCED. */
  readonly fencingGeneration: number;
  /** 32 bytes: AES-256 key of the machine's GMAC digests. */
  readonly digestKey: Uint8Array;
  readonly disks: readonly HelloAnswerDisk[];
  /**
   * R18: last durable mark before this hello, and the epoch it belongs to (0: a hello of that epoch, no mark yet); null when
   * there is none. A hello of another epoch makes mark 0 of its own epoch durable before any of its data is applied.
   */
  readonly lastMark: { readonly mapEpoch: string; readonly markId: number } | null;
  /** R18: last committed checkpoint; null when there is none. */
  readonly lastCheckpoint: { readonly checkpointId: string; readonly sequence: number } | null;
}

export interface WriteFrame {
  readonly type: 'write';
  readonly diskIndex: number;
  readonly firstBlock: number;
  readonly blockCount: number;
  readonly codec: BlockCodec;
  /** Bytes after decompression: `blockCount` blocks, less only where the disk's last block is short. */
  readonly rawLengthBytes: number;
  /** `blockCount` × 16 bytes, one digest per block, of the raw bytes as read at the source (R9). */
  readonly digests: Uint8Array;
  readonly payload: Uint8Array;
}

/** A range whose every byte was read and is zero. */
export interface ZeroFrame {
  readonly type: 'zero';
  readonly diskIndex: number;
  readonly firstBlock: number;
  readonly blockCount: number;
}

/** "Tell me when everything before this is durable." Ids grow by one within a map epoch, from 1. */
export interface MarkFrame {
  readonly type: 'mark';
  readonly markId: number;
}

export interface MarkAckFrame {
  readonly type: 'markAck';
  readonly markId: number;
}

export type PointConsistency = 'crash' | 'filesystem';

/** Commits a point in time of what was sent before. Implies a mark. Repeating a `checkpointId` returns the same point. */
export interface CheckpointFrame {
  readonly type: 'checkpoint';
  /** UUID, saved by the agent before it is sent. */
  readonly checkpointId: string;
  /** The mark that this checkpoint implies: the next id of the epoch. */
  readonly markId: number;
  readonly consistency: PointConsistency;
  /** Instant of the window, Unix epoch in microseconds, the source's clock. */
  readonly instantMicroseconds: number;
  /** How long writers were blocked (FIFREEZE call to FITHAW return); 0 for a quiet window. */
  readonly pauseMicroseconds: number;
  /** The operator's request that asked for it; empty when it came by itself. */
  readonly requestId: string;
  /** W3C trace context of the point's trace; empty without telemetry. */
  readonly traceparent: string;
}

export interface CheckpointAckFrame {
  readonly type: 'checkpointAck';
  readonly checkpointId: string;
  readonly markId: number;
  readonly sequence: number;
}

export interface DigestRequestFrame {
  readonly type: 'digestRequest';
  readonly diskIndex: number;
  readonly firstBlock: number;
  readonly blockCount: number;
}

/** Answers come in the order of the requests, and reflect every frame sent before the request. */
export interface DigestAnswerFrame {
  readonly type: 'digestAnswer';
  readonly diskIndex: number;
  readonly firstBlock: number;
  readonly blockCount: number;
  /** `blockCount` × 16 bytes; 16 zero bytes: no digest known, the block must be sent. */
  readonly digests: Uint8Array;
}

export interface HeartbeatFrame {
  readonly type: 'heartbeat';
}

/** On a connection of checks only. */
export interface CheckFrame {
  readonly type: 'check';
  /** How long the padding of the answer is to be. */
  readonly answerPaddingBytes: number;
  /** What it is does not matter. */
  readonly padding: Uint8Array;
}

/** The machine's certificate is accepted, and this server is in charge of it: what a hello would have come to. */
export interface CheckAnswerFrame {
  readonly type: 'checkAnswer';
  /** The server's clock as it answers, Unix epoch in microseconds. */
  readonly instantMicroseconds: number;
  /** Whether a session of this machine is there now. */
  readonly sessionConnected: boolean;
  readonly padding: Uint8Array;
}

/** Last frame of a session: after it the sender closes. */
export interface ErrorFrame {
  readonly type: 'error';
  /** One of `ERROR_CODES` of `@lms/errors`. */
  readonly code: string;
  readonly message: string;
  readonly action: string;
}

export type Frame =
  | HelloFrame
  | HelloAnswerFrame
  | WriteFrame
  | ZeroFrame
  | MarkFrame
  | MarkAckFrame
  | CheckpointFrame
  | CheckpointAckFrame
  | DigestRequestFrame
  | DigestAnswerFrame
  | HeartbeatFrame
  | CheckFrame
  | CheckAnswerFrame
  | ErrorFrame;

/**
 * One block-stream connection, as both cores see it. The real one is TLS; the simulation's is memory with faults.
 * Frames arrive in order or not at all.
 */
export interface FrameConnection {
  /**
   * Resolves when the frame's buffers may be reused: its bytes are with the kernel (or copied). Waiting for it is the
   * back-pressure that bounds memory (R10). Rejects with an `LmsError` when the connection is gone.
   */
  send(frame: Frame): Promise<void>;
  /**
   * Next frame; null at the peer's orderly end. Rejects when the connection broke or the peer broke the protocol.
   * A returned frame's buffers stay valid until the next call of `receive`.
   */
  receive(): Promise<Frame | null>;
  /**
   * Keeps the buffers of the frame that `receive` returned last valid until the returned function is called, also across
   * later calls of `receive`. A connection without it: copy what must stay.
   */
  hold?(): () => void;
  /** Ends the connection now; pending calls reject. Safe to repeat. */
  close(): void;
}
