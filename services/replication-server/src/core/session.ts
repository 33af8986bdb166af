/**
 * One block-stream session: from hello to the connection's end.
 *
 * Situation: an agent that may be cut, repeated, broken or hostile, and a store that takes one call at a time.
 * Mechanism: frames are checked as they arrive (R8), their data is decompressed and compared with its digests (R9), and
 * then applied in order; a mark or checkpoint is acknowledged only after the store made it durable (R12, R18). At most
 * `WINDOW_BYTES` wait (R10).
 * Special cases: a newer session of the machine fences this one: not one of its frames, not even those already received,
 * reaches the store afterwards (R11). A full store ends the session with STAGING_FULL; the agent comes back.
 * Failure: the first error wins; the peer gets it as an ERROR frame, and the connection is closed.
 */
import { LmsError, isErrorCode, toLmsError } from '@lms/errors';
import { checkRange, checkWrite, decompressChunk, equalDigests, protocolViolation } from '@lms/block-stream';
import type {
  CheckpointFrame,
  DigestRequestFrame,
  Digester,
  Frame,
  FrameConnection,
  HelloFrame,
  MarkFrame,
  WriteFrame,
  ZeroFrame,
} from '@lms/block-stream';
import type { StagingDisk, StagedPoint, StagingStore } from '../store/staging-store.ts';
import type { Clock } from './ports.ts';
import { OrderedPipeline } from './ordered-pipeline.ts';

/** Raw and received bytes that may wait for the store: some 4 to 8 writes, enough to keep four threads busy. */
export const WINDOW_BYTES = 8 * 1024 * 1024;
/** Frames without data (zeros, marks) that may wait. */
const MAXIMUM_WAITING_FRAMES = 512;
/** How long a last word (ERROR) may take; then the connection is closed without it. */
const LAST_WORD_MILLISECONDS = 2_000;
/** Fixed bytes of a WRITE on the wire, header included. */
const WRITE_OVERHEAD_BYTES = 20;

export interface SessionCounters {
  bytesReceivedWire: number;
  bytesRaw: number;
  bytesWritten: number;
}

export interface SessionContext {
  readonly connection: FrameConnection;
  readonly clock: Clock;
  readonly hello: HelloFrame;
  readonly store: StagingStore;
  readonly digester: Digester;
  readonly counters: SessionCounters;
  /** Commits and tells whoever must know; rejects when the machine may not (any more). */
  readonly commit: (checkpoint: CheckpointFrame) => Promise<StagedPoint>;
}

export class ReplicationSession {
  readonly #context: SessionContext;
  readonly #disks: ReadonlyMap<number, StagingDisk>;
  readonly #pipeline: OrderedPipeline;
  #error: LmsError | null = null;
  #storeFailure: LmsError | null = null;
  #farewell: Promise<void> | null = null;
  #heartbeatPending = false;
  #dataSeen = false;

  constructor(context: SessionContext, disks: readonly StagingDisk[]) {
    this.#context = context;
    this.#disks = new Map(disks.map((disk) => [disk.diskIndex, disk]));
    this.#pipeline = new OrderedPipeline(WINDOW_BYTES, MAXIMUM_WAITING_FRAMES, (thrown) =>
      this.#stop(toLmsError(thrown)),
    );
  }

  /** True once a frame with data, or one that says there is none, was taken. */
  get transferring(): boolean {
    return this.#dataSeen;
  }

  /** What a store call threw, if one did: a refusal (`isStoreRefusal`) or a failure. */
  get storeFailure(): LmsError | null {
    return this.#storeFailure;
  }

  /**
   * Runs until no further store call will begin and none is under way. Returns null for an orderly end, else why it ended;
   * never rejects. The peer may still be hearing why: `farewell`.
   */
  async run(): Promise<LmsError | null> {
    const { connection } = this.#context;
    try {
      for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
        if (this.#error !== null) break;
        await this.#accept(frame);
      }
    } catch (thrown) {
      this.#stop(toLmsError(thrown));
    }
    await this.#pipeline.idle();
    this.#pipeline.stop();
    if (this.#error === null) connection.close();
    return this.#error;
  }

  /** Resolves when the peer was told why the session ended, or could not be. Bounded. */
  async farewell(): Promise<void> {
    await this.#farewell;
  }

  /** Ends the session from outside. After it returned, no further store call begins; `run` tells when all is over. */
  end(error: LmsError): void {
    this.#stop(error);
  }

  #stop(error: LmsError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#pipeline.stop();
    // The receiving loop may wait for a frame that never comes: closing the connection ends it.
    const { connection, clock } = this.#context;
    this.#farewell = sayLastWord(connection, error, clock).then(() => connection.close());
  }

  /** A store call; what it throws is remembered, since the store may have to be given up (R14). */
  async #onStore<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (thrown) {
      this.#storeFailure = toLmsError(thrown, 'Staging store');
      throw this.#storeFailure;
    }
  }

  #accept(frame: Frame): Promise<void> | undefined {
    switch (frame.type) {
      case 'write':
        return this.#acceptWrite(frame);
      case 'zero':
        return this.#acceptZero(frame);
      case 'digestRequest':
        return this.#acceptDigestRequest(frame);
      case 'mark':
        return this.#step(() => this.#mark(frame));
      case 'checkpoint':
        return this.#step(() => this.#checkpoint(frame));
      case 'heartbeat':
        this.#answerHeartbeat();
        return undefined;
      case 'error':
        throw new LmsError(
          isErrorCode(frame.code) ? frame.code : 'INTERNAL',
          `The agent ended the session: ${frame.message}`,
          {
            action: frame.action,
          },
        );
      case 'hello':
      case 'helloAnswer':
      case 'markAck':
      case 'checkpointAck':
      case 'digestAnswer':
      case 'check':
      case 'checkAnswer':
        throw protocolViolation(frame.type, 'type', 'an agent does not send this frame within a session');
    }
  }

  #step(step: () => Promise<void>): Promise<void> {
    return this.#pipeline.push({ bytes: 0, prepared: Promise.resolve(), step, settle: () => undefined });
  }

  #acceptWrite(frame: WriteFrame): Promise<void> {
    checkWrite(frame, this.#disks);
    const { connection, counters, store } = this.#context;
    counters.bytesReceivedWire += WRITE_OVERHEAD_BYTES + frame.digests.byteLength + frame.payload.byteLength;
    counters.bytesRaw += frame.rawLengthBytes;
    this.#dataSeen = true;
    const release = connection.hold?.();
    // Without `hold` the buffers change at the next receive.
    const held = release === undefined ? structuredClone(frame) : frame;
    const prepared = this.#prepare(held);
    const compressedBytes = held.codec === 'zstd' ? held.payload.byteLength : 0;
    return this.#pipeline.push({
      bytes: held.rawLengthBytes + compressedBytes,
      prepared,
      step: async () => {
        const data = await prepared;
        await this.#onStore(() => store.write(held.diskIndex, held.firstBlock, held.blockCount, data, held.digests));
        counters.bytesWritten += held.rawLengthBytes;
      },
      settle: release ?? (() => undefined),
    });
  }

  /** The raw bytes, compared with their digests before anything is written (R9). */
  async #prepare(frame: WriteFrame): Promise<Uint8Array> {
    const raw = frame.codec === 'zstd' ? await decompressChunk(frame.payload, frame.rawLengthBytes) : frame.payload;
    if (!equalDigests(this.#context.digester.digestBlocks(raw), frame.digests)) {
      throw protocolViolation('WRITE', 'digests', `block ${frame.firstBlock} and following do not match their digests`);
    }
    return raw;
  }

  #acceptZero(frame: ZeroFrame): Promise<void> {
    const disk = checkRange(frame, this.#disks);
    this.#dataSeen = true;
    const { store } = this.#context;
    return this.#step(() => this.#onStore(() => store.zero(disk.diskIndex, frame.firstBlock, frame.blockCount)));
  }

  #acceptDigestRequest(frame: DigestRequestFrame): Promise<void> {
    const { diskIndex } = checkRange(frame, this.#disks);
    const { firstBlock, blockCount } = frame;
    this.#dataSeen = true;
    return this.#step(async () => {
      const { store, connection } = this.#context;
      const digests = await this.#onStore(() => store.digests(diskIndex, firstBlock, blockCount));
      await connection.send({ type: 'digestAnswer', diskIndex, firstBlock, blockCount, digests });
    });
  }

  async #mark(frame: MarkFrame): Promise<void> {
    const { store, hello, connection } = this.#context;
    await this.#onStore(() => store.mark(hello.mapEpoch, frame.markId));
    await connection.send({ type: 'markAck', markId: frame.markId });
  }

  async #checkpoint(frame: CheckpointFrame): Promise<void> {
    const point = await this.#onStore(() => this.#context.commit(frame));
    const { checkpointId, markId } = frame;
    await this.#context.connection.send({ type: 'checkpointAck', checkpointId, markId, sequence: point.sequence });
  }

  /** At most one answer waits: a peer that sends heartbeats and reads nothing builds no queue (R10). */
  #answerHeartbeat(): void {
    if (this.#heartbeatPending) return;
    this.#heartbeatPending = true;
    const answered = (): void => {
      this.#heartbeatPending = false;
    };
    // A broken connection shows itself to `receive`.
    this.#context.connection.send({ type: 'heartbeat' }).then(answered, answered);
  }
}

/** Tells the peer why. Bounded, and never rejects: the connection may be gone already. */
export async function sayLastWord(connection: FrameConnection, error: LmsError, clock: Clock): Promise<void> {
  const { code, message, action } = error;
  const said = new AbortController();
  const sent = connection.send({ type: 'error', code, message, action: action ?? '' });
  await Promise.race([sent, clock.sleep(LAST_WORD_MILLISECONDS, said.signal)]).catch(() => undefined);
  said.abort();
}
