/**
 * The window: when is a set of blocks a point in time?
 *
 * Situation: tracking says where was written, not in which order. What was read block by block equals one instant of the
 * source only if no disk changed while the last blocks were read. Mechanism (R13, R16): one window for all disks:
 *
 *     drain, proven ──► no write in flight ──► read every remaining dirty block ──► drain, proven ──► no write came
 *
 * `quiet`: the machine happened to be still. `freeze`: the same, while every mounted file system is frozen.
 * Special cases: nothing mounted counts as frozen; a file system that knows no freeze (vfat) makes it `crash`; a range that a discard may still change (R3) is a writer.
 * Failure: the attempt is void. What was read is still good as an ordinary change (it was taken before it was read, R1),
 * so it is handed back to be sent; it is never called a point.
 */
import { BLOCK_SIZE_BYTES, MAXIMUM_BLOCKS_PER_WRITE, type PointConsistency } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import type { ChangeTracker, TrackedDisk } from './change-tracker.ts';
import type { Chunk } from './chunk.ts';
import type { BufferPool, Clock, Freezer, SourceDisk } from './ports.ts';

/** After FIFREEZE returned nothing stays frozen longer than this (R17); the guardian holds it too. */
export const FREEZE_LIMIT_MILLISECONDS = 2000;
/** Reads at once within a window. */
const PARALLEL_READS = 8;
/** How often a frozen disk is asked again for its last writes in flight. */
const STILLNESS_ATTEMPTS = 50;
const STILLNESS_PAUSE_MILLISECONDS = 2;

export interface WindowParts {
  readonly tracker: ChangeTracker;
  readonly disks: readonly TrackedDisk[];
  readonly freezer: Freezer;
  readonly clock: Clock;
  readonly pool: BufferPool;
}

export interface ReadChunk {
  readonly chunk: Chunk;
  readonly release: () => void;
}

export interface ProvenWindow {
  readonly proven: true;
  readonly chunks: readonly ReadChunk[];
  readonly consistency: PointConsistency;
  readonly instantMicroseconds: number;
  readonly pauseMicroseconds: number;
  /** Mounted file systems that know no freeze: why a frozen window is only `crash`. */
  readonly unfrozenMounts: readonly string[];
}

export interface VoidWindow {
  readonly proven: false;
  readonly chunks: readonly ReadChunk[];
  readonly reason: string;
  /** The disk that was written to, where that was the reason. */
  readonly busyDisk: SourceDisk | null;
  readonly pauseMicroseconds: number;
}

export type WindowAttempt = ProvenWindow | VoidWindow;

/** The machine as it is, without a pause. */
export async function tryQuietWindow(parts: WindowParts, signal: AbortSignal): Promise<WindowAttempt> {
  const mountsBefore = await parts.freezer.countMounts();
  const attempt = await readStill(parts, 1, signal);
  if (!attempt.proven) return attempt;
  const mounts = Math.max(mountsBefore, await parts.freezer.countMounts());
  return { ...attempt, consistency: mounts === 0 ? 'filesystem' : 'crash' };
}

/** Freezes every file system on the disks. Whoever calls it has made sure that little is dirty. */
export async function tryFrozenWindow(parts: WindowParts, signal: AbortSignal): Promise<WindowAttempt> {
  let unfrozenMounts: readonly string[];
  try {
    unfrozenMounts = await parts.freezer.freeze(FREEZE_LIMIT_MILLISECONDS);
  } catch (error) {
    return voidWindow([], `freezing failed: ${toLmsError(error).message}`, null);
  }
  // From here to the thaw: no log, no disk, no new program (R17).
  let attempt: WindowAttempt;
  let pauseMicroseconds = 0;
  let intact = false;
  try {
    attempt = await readStill(parts, STILLNESS_ATTEMPTS, signal);
  } finally {
    ({ pauseMicroseconds, intact } = await parts.freezer.thaw());
  }
  if (!attempt.proven) return { ...attempt, pauseMicroseconds };
  if (!intact) {
    return {
      ...voidWindow(attempt.chunks, 'the file systems were thawed before the window closed', null),
      pauseMicroseconds,
    };
  }
  return {
    ...attempt,
    consistency: unfrozenMounts.length === 0 ? 'filesystem' : 'crash',
    pauseMicroseconds,
    unfrozenMounts,
  };
}

async function readStill(parts: WindowParts, stillnessAttempts: number, signal: AbortSignal): Promise<WindowAttempt> {
  const { tracker, clock } = parts;
  const chunks: ReadChunk[] = [];
  try {
    let opened = await tracker.proveDrain(signal);
    let writer = tracker.writerSince(opened);
    for (let attempt = 1; writer !== null && attempt < stillnessAttempts; attempt++) {
      await clock.sleep(STILLNESS_PAUSE_MILLISECONDS, signal);
      opened = await tracker.proveDrain(signal);
      writer = tracker.writerSince(opened);
    }
    if (writer !== null) return voidWindow(chunks, `${writer.device} was being written to`, writer);
    const instantMicroseconds = clock.wallMicroseconds();
    if (!(await readRemainder(parts, chunks, signal))) {
      return voidWindow(chunks, 'more had changed than the window can hold', mostDirty(parts.disks));
    }
    await tracker.proveDrain(signal);
    writer = tracker.writerSince(opened) ?? mostDirty(parts.disks);
    if (writer !== null) return voidWindow(chunks, `${writer.device} was written to`, writer);
    return {
      proven: true,
      chunks,
      consistency: 'crash',
      instantMicroseconds,
      pauseMicroseconds: 0,
      unfrozenMounts: [],
    };
  } catch (error) {
    const failure = toLmsError(error);
    if (failure.code === 'DEADLINE_EXCEEDED') return voidWindow(chunks, failure.message, null);
    for (const { release } of chunks) release();
    throw failure;
  }
}

/** Reads what is dirty into the pool; false when not all of it fits. What was taken is read in any case: it will be sent. */
async function readRemainder(parts: WindowParts, chunks: ReadChunk[], signal: AbortSignal): Promise<boolean> {
  const reads: (() => Promise<void>)[] = [];
  const packer = new BufferPacker(parts.pool);
  let fits = true;
  for (const [diskIndex, { disk, map }] of parts.disks.entries()) {
    while (fits && map.dirty.count > 0) {
      const room = await packer.room(signal);
      const range = room === 0 ? null : map.takeDirty(0, room);
      if (range === null) {
        fits = false;
        break;
      }
      const offsetBytes = range.firstBlock * BLOCK_SIZE_BYTES;
      const lengthBytes = Math.min(range.blockCount * BLOCK_SIZE_BYTES, disk.sizeBytes - offsetBytes);
      const { data, release } = packer.take(range.blockCount, lengthBytes);
      chunks.push({ chunk: { diskIndex, ...range, data, replicaDigests: null }, release });
      reads.push(() => disk.read(offsetBytes, data));
    }
  }
  for (let start = 0; start < reads.length; start += PARALLEL_READS) {
    const results = await Promise.allSettled(reads.slice(start, start + PARALLEL_READS).map((read) => read()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw toLmsError(failed.reason, 'reading the source');
  }
  return fits;
}

/** Packs short runs into the pool's buffers, so that scattered blocks do not cost a buffer each. */
class BufferPacker {
  readonly #pool: BufferPool;
  #buffersTaken = 0;
  #current: { readonly buffer: Uint8Array; usedBlocks: number; users: number } | null = null;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Blocks that the next run may have; 0 when the pool is used up. */
  async room(signal: AbortSignal): Promise<number> {
    if (this.#current === null || this.#current.usedBlocks === MAXIMUM_BLOCKS_PER_WRITE) {
      if (this.#buffersTaken === this.#pool.capacityBuffers) return 0;
      this.#current = { buffer: await this.#pool.acquire(signal), usedBlocks: 0, users: 0 };
      this.#buffersTaken++;
    }
    return MAXIMUM_BLOCKS_PER_WRITE - this.#current.usedBlocks;
  }

  take(blockCount: number, lengthBytes: number): { readonly data: Uint8Array; readonly release: () => void } {
    const current = this.#current;
    if (current === null) throw new RangeError('take before room');
    const start = current.usedBlocks * BLOCK_SIZE_BYTES;
    current.usedBlocks += blockCount;
    current.users++;
    const release = (): void => {
      current.users--;
      if (current.users === 0) this.#pool.release(current.buffer);
    };
    return { data: current.buffer.subarray(start, start + lengthBytes), release };
  }
}

function mostDirty(disks: readonly TrackedDisk[]): SourceDisk | null {
  const dirty = disks.filter(({ map }) => map.dirty.count > 0 || map.suspect.count > 0);
  dirty.sort((first, second) => second.map.dirty.count - first.map.dirty.count);
  return dirty[0]?.disk ?? null;
}

function voidWindow(chunks: readonly ReadChunk[], reason: string, busyDisk: SourceDisk | null): VoidWindow {
  return { proven: false, chunks, reason, busyDisk, pauseMicroseconds: 0 };
}
