/**
 * One connection to the replication server, from hello to its end.
 *
 * Situation: everything that was sent may be lost until a mark says that it is durable (R18). Mechanism: chunks, marks
 * and the checkpoint go through one ordered pipeline; a mark is sealed when it takes its place, so that it stands for
 * exactly the chunks before it. What the server says comes in by `#receive`, which never waits for the sending side.
 * Special cases: a server that holds nothing gets everything; one that forgot what it had acknowledged, or that
 * somebody else wrote to, is compared with everything.
 * Failure: the first one ends the session (`failed` rejects); whoever owns it restores what was not acknowledged.
 */
import {
  BLOCK_SIZE_BYTES,
  createDigester,
  DIGEST_BYTES,
  MAXIMUM_BLOCKS_PER_WRITE,
  PROTOCOL_VERSION,
  type CheckpointAckFrame,
  type CompressionChoice,
  type Digester,
  type DigestAnswerFrame,
  type Frame,
  type FrameConnection,
  type HelloAnswerFrame,
} from '@lms/block-stream';
import { isErrorCode, LmsError, toLmsError } from '@lms/errors';
import { framesOfChunk, type Chunk } from './chunk.ts';
import { FramePipeline } from './frame-pipeline.ts';
import type { BufferPool, Clock, SourceDisk } from './ports.ts';
import type { ReplicationCounters } from './status.ts';
import type { Tracking } from './tracking.ts';
import type { ProvenWindow, ReadChunk } from './window.ts';

/** A mark costs an fsync over there: after so many bytes … */
const MARK_BYTES = 64 * 1024 * 1024;
/** … or so long after something was sent. */
const MARK_INTERVAL_MILLISECONDS = 2000;
/** … or this long, when there is nothing else to send: what was copied is soon known to be durable. */
const IDLE_MARK_INTERVAL_MILLISECONDS = 250;
/** Marks on their way: more would only make reconnects dearer. */
const MAXIMUM_SEALED_MARKS = 2;
const HEARTBEAT_MILLISECONDS = 5000;
/** Heartbeats are answered; a server that says nothing for so long is gone. */
const SILENCE_LIMIT_MILLISECONDS = 60_000;
/** Digests fetched at once: 256 MiB of disk. */
const DIGEST_WINDOW_BLOCKS = 4096;

export interface SessionParts {
  readonly connection: FrameConnection;
  readonly tracking: Tracking;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly compression: CompressionChoice;
  readonly counters: ReplicationCounters;
  readonly bootId: string;
  readonly agentVersion: string;
}

interface DigestWindow extends DigestAnswerFrame {
  readonly suspicions: number;
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: LmsError): void;
}

export class Session {
  readonly #parts: SessionParts;
  readonly #pipeline: FramePipeline;
  readonly #ended = new AbortController();
  #digester: Digester | null = null;
  #failure: LmsError | null = null;
  #receivedAtMilliseconds: number;
  #heartbeatAtMilliseconds: number;
  #markAtMilliseconds: number;
  #bytesSinceMark = 0;
  #digestWindow: DigestWindow | null = null;
  #digestWaiter: Waiter<DigestWindow> | null = null;
  #checkpointWaiter: (Waiter<CheckpointAckFrame> & { readonly checkpointId: string }) | null = null;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const now = (): number => parts.clock.monotonicMilliseconds();
    this.#receivedAtMilliseconds = this.#heartbeatAtMilliseconds = this.#markAtMilliseconds = now();
    this.#pipeline = new FramePipeline(
      parts.connection,
      now,
      (frame, began, ended) => {
        if (frame.type === 'write') parts.compression.sent(began, ended, frame.payload.byteLength);
      },
      (error) => this.#fail(toLmsError(error)),
    );
  }

  /** Aborts when the session is over. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Says hello, and settles what the answer means for the map. */
  async open(): Promise<HelloAnswerFrame> {
    const { connection, tracking, agentVersion, bootId } = this.#parts;
    await connection.send({
      type: 'hello',
      protocolMinimum: PROTOCOL_VERSION,
      protocolMaximum: PROTOCOL_VERSION,
      agentVersion,
      capabilities: [],
      bootId,
      wholeDiskNumbers: tracking.disks.map(({ disk }) => disk.deviceNumber),
      mapEpoch: tracking.state.mapEpoch,
      acknowledgedMark: tracking.state.acknowledgedMark,
      disks: tracking.disks.map(({ disk }) => ({
        diskId: disk.diskId,
        device: disk.device,
        sizeBytes: disk.sizeBytes,
      })),
    });
    const answer = await connection.receive();
    if (answer === null)
      throw new LmsError('UNAVAILABLE', 'the replication server closed the connection without an answer');
    if (answer.type === 'error') throw errorOf(answer.code, answer.message, answer.action);
    if (answer.type !== 'helloAnswer') throw unexpected(answer);
    this.#requireSameDisks(answer);
    this.#digester = createDigester(answer.digestKey.slice());
    reconcile(tracking, answer);
    void this.#receive();
    return answer;
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
    try {
      this.#pipeline.throwIfFailed();
    } catch (error) {
      throw this.#fail(toLmsError(error));
    }
  }

  /** Takes the next dirty run of a disk at or after `fromBlock` and puts it on its way; null when there is none. */
  async pushDirty(diskIndex: number, fromBlock: number): Promise<{ readonly nextBlock: number } | null> {
    const { disk, map } = this.#disk(diskIndex);
    if (map.dirty.nextRange(fromBlock, 1) === null) return null;
    await this.#pipeline.room();
    const buffer = await this.#parts.pool.acquire(this.signal);
    const range = map.takeDirty(fromBlock, MAXIMUM_BLOCKS_PER_WRITE);
    if (range === null) {
      this.#parts.pool.release(buffer);
      return null;
    }
    this.#pushRead(disk, { diskIndex, ...range, replicaDigests: null }, buffer);
    return { nextBlock: range.firstBlock + range.blockCount };
  }

  /** Compares the next suspect run of a disk; false when there is none. */
  async pushSuspect(diskIndex: number): Promise<boolean> {
    const { disk, map } = this.#disk(diskIndex);
    const first = map.suspect.nextRange(0, 1)?.firstBlock;
    if (first === undefined) return false;
    const window = await this.#digestsFrom(diskIndex, first);
    await this.#pipeline.room();
    const buffer = await this.#parts.pool.acquire(this.signal);
    const stale = window.suspicions !== this.#parts.tracking.suspicions;
    const end = window.firstBlock + window.blockCount;
    const range = stale ? null : map.takeSuspect(Math.max(first, window.firstBlock), MAXIMUM_BLOCKS_PER_WRITE, end);
    if (range === null) {
      this.#parts.pool.release(buffer);
      this.#digestWindow = null;
      return true;
    }
    const start = (range.firstBlock - window.firstBlock) * DIGEST_BYTES;
    const replicaDigests = window.digests.subarray(start, start + range.blockCount * DIGEST_BYTES);
    this.#pushRead(disk, { diskIndex, ...range, replicaDigests }, buffer);
    return true;
  }

  /** Puts chunks that a window has read on their way. */
  pushRead(chunks: readonly ReadChunk[]): void {
    for (const { chunk, release } of chunks) {
      this.#bytesSinceMark += chunk.data.byteLength;
      this.#parts.counters.bytesReadSource += chunk.data.byteLength;
      this.#pipeline.push(() => this.#frames(chunk), release);
    }
  }

  /** All that was pushed is with the kernel. */
  async drain(): Promise<void> {
    await this.#pipeline.drain();
    this.throwIfFailed();
  }

  /** Marks and heartbeats, when it is time for one; ends the session after a long silence. `idle`: nothing else to send. */
  maintain(idle: boolean): void {
    const now = this.#parts.clock.monotonicMilliseconds();
    if (now - this.#receivedAtMilliseconds > SILENCE_LIMIT_MILLISECONDS) {
      this.#fail(new LmsError('UNAVAILABLE', 'the replication server has said nothing for a minute'));
    }
    this.throwIfFailed();
    const markInterval = idle ? IDLE_MARK_INTERVAL_MILLISECONDS : MARK_INTERVAL_MILLISECONDS;
    const due = this.#bytesSinceMark >= MARK_BYTES || now - this.#markAtMilliseconds >= markInterval;
    const disks = this.#parts.tracking.disks;
    if (
      due &&
      disks.some(({ map }) => map.hasUnsealed) &&
      disks.every(({ map }) => map.sealedMarks < MAXIMUM_SEALED_MARKS)
    ) {
      this.#pipeline.push([{ type: 'mark', markId: this.#sealMark() }]);
      this.#heartbeatAtMilliseconds = now;
    } else if (now - this.#heartbeatAtMilliseconds >= HEARTBEAT_MILLISECONDS) {
      this.#pipeline.push([{ type: 'heartbeat' }]);
      this.#heartbeatAtMilliseconds = now;
    }
  }

  /** Commits what was pushed as a point in time; returns its sequence when it is durable. */
  async commit(window: ProvenWindow, checkpointId: string, requestId: string, traceparent: string): Promise<number> {
    const { tracking } = this.#parts;
    const markId = this.#sealMark();
    tracking.state.checkpoint = { checkpointId, markId, requestId, sequence: null };
    tracking.save();
    const acknowledged = new Promise<CheckpointAckFrame>((resolve, reject) => {
      this.#checkpointWaiter = { checkpointId, resolve, reject };
      if (this.#failure !== null) reject(this.#failure);
    });
    acknowledged.catch(() => undefined); // awaited below, unless pushing fails first
    const { consistency, instantMicroseconds, pauseMicroseconds } = window;
    this.#pipeline.push([
      {
        type: 'checkpoint',
        checkpointId,
        markId,
        consistency,
        instantMicroseconds,
        pauseMicroseconds,
        requestId,
        traceparent,
      },
    ]);
    await this.drain();
    const { sequence } = await acknowledged;
    tracking.state.checkpoint = { checkpointId, markId, requestId, sequence };
    tracking.save();
    return sequence;
  }

  /** Ends the session; everything that waits for it rejects. */
  close(error: LmsError): void {
    this.#fail(error);
  }

  /** Waits until nothing of the session is under way any more: buffers are back in the pool. */
  async settled(): Promise<void> {
    await this.#pipeline.drain().catch(() => undefined);
  }

  #pushRead(disk: SourceDisk, chunk: Omit<Chunk, 'data'>, buffer: Uint8Array): void {
    const offsetBytes = chunk.firstBlock * BLOCK_SIZE_BYTES;
    const lengthBytes = Math.min(chunk.blockCount * BLOCK_SIZE_BYTES, disk.sizeBytes - offsetBytes);
    const data = buffer.subarray(0, lengthBytes);
    const readAndPrepare = async (): Promise<readonly Frame[]> => {
      await disk.read(offsetBytes, data);
      this.#parts.counters.bytesReadSource += lengthBytes;
      return this.#frames({ ...chunk, data });
    };
    this.#bytesSinceMark += lengthBytes;
    this.#pipeline.push(readAndPrepare, () => this.#parts.pool.release(buffer));
  }

  async #frames(chunk: Chunk): Promise<readonly Frame[]> {
    if (this.#digester === null) throw new RangeError('the session is not open');
    return framesOfChunk(chunk, this.#digester, this.#parts.compression, this.#parts.counters);
  }

  /** The id is saved before it is used: a mark id never stands for two sets of blocks. */
  #sealMark(): number {
    const { tracking, clock } = this.#parts;
    const markId = tracking.state.nextMarkId++;
    tracking.save();
    for (const { map } of tracking.disks) map.sealMark(markId);
    this.#bytesSinceMark = 0;
    this.#markAtMilliseconds = clock.monotonicMilliseconds();
    return markId;
  }

  async #digestsFrom(diskIndex: number, firstBlock: number): Promise<DigestWindow> {
    const held = this.#digestWindow;
    const fits =
      held !== null &&
      held.suspicions === this.#parts.tracking.suspicions &&
      held.diskIndex === diskIndex &&
      held.firstBlock <= firstBlock &&
      firstBlock < held.firstBlock + held.blockCount;
    if (fits) return held;
    const blockCount = Math.min(DIGEST_WINDOW_BLOCKS, this.#disk(diskIndex).map.blockCount - firstBlock);
    const answer = new Promise<DigestWindow>((resolve, reject) => {
      this.#digestWaiter = { resolve, reject };
      if (this.#failure !== null) reject(this.#failure);
    });
    this.#pipeline.push([{ type: 'digestRequest', diskIndex, firstBlock, blockCount }]);
    const window = await answer;
    if (window.diskIndex !== diskIndex || window.firstBlock !== firstBlock || window.blockCount !== blockCount) {
      throw this.#fail(new LmsError('PROTOCOL_VIOLATION', 'DIGEST_ANSWER: not the blocks that were asked for'));
    }
    this.#digestWindow = window;
    return window;
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#parts.connection.receive();
        this.#receivedAtMilliseconds = this.#parts.clock.monotonicMilliseconds();
        if (frame === null) throw new LmsError('UNAVAILABLE', 'the replication server ended the session');
        this.#take(frame);
      }
    } catch (error) {
      this.#fail(toLmsError(error));
    }
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case 'markAck':
        this.#acknowledge(frame.markId);
        break;
      case 'checkpointAck': {
        const waiter = this.#checkpointWaiter;
        if (waiter === null || waiter.checkpointId !== frame.checkpointId) throw unexpected(frame);
        this.#checkpointWaiter = null;
        this.#acknowledge(frame.markId);
        waiter.resolve(frame);
        break;
      }
      case 'digestAnswer': {
        const waiter = this.#digestWaiter;
        if (waiter === null) throw unexpected(frame);
        this.#digestWaiter = null;
        waiter.resolve({ ...frame, digests: frame.digests.slice(), suspicions: this.#parts.tracking.suspicions });
        break;
      }
      case 'heartbeat':
        break;
      case 'error':
        throw errorOf(frame.code, frame.message, frame.action);
      case 'hello':
      case 'helloAnswer':
      case 'write':
      case 'zero':
      case 'mark':
      case 'checkpoint':
      case 'digestRequest':
      case 'check':
      case 'checkAnswer':
        throw unexpected(frame);
    }
  }

  #acknowledge(markId: number): void {
    const { state, disks } = this.#parts.tracking;
    if (markId >= state.nextMarkId) throw new LmsError('PROTOCOL_VIOLATION', `MARK_ACK: mark ${markId} was never sent`);
    for (const { map } of disks) map.acknowledgeMark(markId);
    state.acknowledgedMark = Math.max(state.acknowledgedMark, markId);
  }

  #requireSameDisks(answer: HelloAnswerFrame): void {
    const disks = this.#parts.tracking.disks;
    const agree =
      answer.disks.length === disks.length &&
      disks.every(
        ({ disk }, index) => answer.disks[index]?.diskId === disk.diskId && answer.disks[index].diskIndex === index,
      );
    if (!agree) throw new LmsError('PROTOCOL_VIOLATION', 'HELLO_ANSWER: not the disks of the hello');
  }

  #disk(diskIndex: number): Tracking['disks'][number] {
    const tracked = this.#parts.tracking.disks[diskIndex];
    if (tracked === undefined) throw new RangeError(`no disk ${diskIndex}`);
    return tracked;
  }

  #fail(error: LmsError): LmsError {
    if (this.#failure !== null) return this.#failure;
    this.#failure = error;
    this.#digestWaiter?.reject(error);
    this.#checkpointWaiter?.reject(error);
    this.#parts.connection.close();
    this.#ended.abort(error);
    return error;
  }
}

/** What the server's memory means for ours (R18). */
function reconcile(tracking: Tracking, answer: HelloAnswerFrame): void {
  const { state, disks } = tracking;
  const mark = answer.lastMark?.mapEpoch === state.mapEpoch ? answer.lastMark.markId : null;
  const forgotten = state.acknowledgedMark > (mark ?? 0);
  const foreign = mark !== null && mark >= state.nextMarkId;
  if (mark !== null && !foreign) {
    for (const { map } of disks) map.acknowledgeMark(mark);
    state.acknowledgedMark = Math.max(state.acknowledgedMark, mark);
  }
  for (const { map } of disks) map.restoreUnacknowledged();
  if (forgotten || foreign) tracking.distrustReplica();
  for (const [index, { disk, map }] of disks.entries()) {
    if (answer.disks[index]?.empty !== true) continue;
    map.dirtyAll();
    state.initialSync.add(disk.diskId);
  }
  tracking.save();
}

function errorOf(code: string, message: string, action: string): LmsError {
  return new LmsError(isErrorCode(code) ? code : 'INTERNAL', `the replication server: ${message}`, { action });
}

function unexpected(frame: Frame): LmsError {
  return new LmsError('PROTOCOL_VIOLATION', `${frame.type}: the replication server may not send this now`);
}
