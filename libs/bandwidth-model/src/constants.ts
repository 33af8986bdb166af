/**
 * What the model cannot know from a measurement of writes and link: how the agent's loop, the protocol and the kernel behave.
 *
 * The first four are the agent's own limits (`services/agent/src/core`: replicator.ts, points.ts, frame-pipeline.ts); the rest
 * were fitted by `node test/bandwidth/main.ts fit` on traces that no test predicts. How, and how well: docs/bandwidth.md.
 */
export interface ModelConstants {
  /** Least time between the beginnings of two sweeps while little is dirty. */
  readonly sweepIntervalSeconds: number;
  /** Above this no point is attempted, and a sweep begins at once. */
  readonly backlogBlocks: number;
  /** Above this a window would not hold what is dirty: it is copied first. */
  readonly windowBlocks: number;
  /** Runs of blocks that wait for the wire at most. */
  readonly waitingRuns: number;
  /** Bytes on the wire for each byte of payload: frames, digests, TLS records, TCP, IP and Ethernet. */
  readonly wireOverhead: number;
  /** What sender's and receiver's kernels hold between "sent" and "arrived". */
  readonly kernelBufferBytes: number;
  /** From the decision to attempt a point to the instant that it equals. */
  readonly windowSeconds: number;
  /** Longer, when file systems are flushed and frozen. */
  readonly freezeSeconds: number;
  /** From the arrival of the last byte to the agent's knowing that the point is durable; nothing is sent meanwhile. */
  readonly commitSeconds: number;
  /** From then until the manager, and so an operator, knows of it. */
  readonly reportSeconds: number;
  /** Raw bytes a second that an initial sync reads and compresses at most, whatever the link carries. */
  readonly scanBytesPerSecond: number;
}

export const MODEL_CONSTANTS: ModelConstants = {
  sweepIntervalSeconds: 1,
  backlogBlocks: 1024,
  windowBlocks: 576,
  waitingRuns: 16,
  wireOverhead: 1.05,
  kernelBufferBytes: 768 * 1024,
  windowSeconds: 0.02,
  freezeSeconds: 0.1,
  commitSeconds: 0.02,
  reportSeconds: 0.02,
  scanBytesPerSecond: 250 * 1024 * 1024,
};
