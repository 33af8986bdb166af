/**
 * Situation: TLS hands over records of 16 KiB at arbitrary places of the stream. Mechanism: eight header bytes, checked
 * before anything is allocated (R8), then one body buffer that the records are copied into: one copy, and large bodies
 * come from a small pool. Pulling (`next`) decodes one frame at a time, so a chunk full of tiny frames makes no queue.
 * Special cases: a chunk that holds many frames stays referenced until they are all taken. Failure: PROTOCOL_VIOLATION;
 * after one the decoder is done.
 */
import type { Frame } from './frames.ts';
import { decodeBody, decodeHeader } from './codec.ts';
import type { FrameHeader } from './codec.ts';
import { FRAME_HEADER_BYTES, FRAME_TABLE, MAXIMUM_BODY_BYTES } from './wire-format.ts';
import { protocolViolation } from './violation.ts';

/** Bodies up to this size get a buffer of their own; longer ones (writes, digest answers) a pooled one. */
const POOLED_FROM_BYTES = 16_384;
/**
 * Idle buffers that a connection keeps: more than a receive window of 8 MiB ever has in use at once. With fewer, those
 * that are dropped and made anew had V8 mark the whole heap 25 times a GiB.
 */
const MAXIMUM_IDLE_BUFFERS = 12;

/** Where large body buffers come from. `acquire` gives one of `MAXIMUM_BODY_BYTES`. */
export interface BufferSource {
  acquire(): Uint8Array;
  release(buffer: Uint8Array): void;
}

/** Large body buffers of one connection, all of one size, so that any of them fits any frame. */
export class BodyPool implements BufferSource {
  readonly #idle: Uint8Array[] = [];

  acquire(): Uint8Array {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(MAXIMUM_BODY_BYTES);
  }

  release(buffer: Uint8Array): void {
    if (this.#idle.length < MAXIMUM_IDLE_BUFFERS) this.#idle.push(buffer);
  }
}

export interface DecodedFrame {
  readonly frame: Frame;
  /** Gives the frame's buffer back; its bytes may change from then on. Call it once. */
  readonly release: () => void;
}

const nothing = (): void => undefined;

export class FrameDecoder {
  readonly #pool: BufferSource;
  readonly #headerBytes = new Uint8Array(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  #header: FrameHeader | null = null;
  #body: Uint8Array = this.#headerBytes.subarray(0, 0);
  #pooled: Uint8Array | null = null;
  #bodyFilled = 0;
  #chunk: Uint8Array | null = null;
  #chunkTaken = 0;

  constructor(pool: BufferSource = new BodyPool()) {
    this.#pool = pool;
  }

  /** Gives the next bytes of the stream. Only after `next` returned null. The chunk must not change until then again. */
  push(chunk: Uint8Array): void {
    if (this.#chunk !== null) throw new Error('push before the previous chunk was consumed');
    this.#chunk = chunk;
    this.#chunkTaken = 0;
  }

  /** The next complete frame, or null: more bytes are needed. */
  next(): DecodedFrame | null {
    while (this.#chunk !== null) {
      if (this.#header === null) this.#takeHeader(this.#chunk);
      if (this.#header !== null && this.#takeBody(this.#chunk, this.#header)) return this.#complete(this.#header);
      if (this.#chunk !== null && this.#chunkTaken === this.#chunk.byteLength) this.#chunk = null;
    }
    return null;
  }

  #takeHeader(chunk: Uint8Array): void {
    const count = Math.min(FRAME_HEADER_BYTES - this.#headerFilled, chunk.byteLength - this.#chunkTaken);
    this.#headerBytes.set(chunk.subarray(this.#chunkTaken, this.#chunkTaken + count), this.#headerFilled);
    this.#headerFilled += count;
    this.#chunkTaken += count;
    if (this.#headerFilled < FRAME_HEADER_BYTES) return;
    const header = decodeHeader(this.#headerBytes);
    if (header.bodyBytes >= POOLED_FROM_BYTES) {
      this.#pooled = this.#pool.acquire();
      this.#body = this.#pooled.subarray(0, header.bodyBytes);
    } else {
      this.#body = new Uint8Array(header.bodyBytes);
    }
    this.#bodyFilled = 0;
    this.#header = header;
  }

  #takeBody(chunk: Uint8Array, header: FrameHeader): boolean {
    const count = Math.min(header.bodyBytes - this.#bodyFilled, chunk.byteLength - this.#chunkTaken);
    if (count > 0) {
      this.#body.set(chunk.subarray(this.#chunkTaken, this.#chunkTaken + count), this.#bodyFilled);
      this.#bodyFilled += count;
      this.#chunkTaken += count;
    }
    return this.#bodyFilled === header.bodyBytes;
  }

  #complete(header: FrameHeader): DecodedFrame {
    const pooled = this.#pooled;
    this.#header = null;
    this.#headerFilled = 0;
    this.#pooled = null;
    const frame = decodeBody(header.type, this.#body);
    return { frame, release: pooled === null ? nothing : () => this.#pool.release(pooled) };
  }

  /** The stream ended: PROTOCOL_VIOLATION when that cut a frame. */
  end(): void {
    if (this.#header === null && this.#headerFilled === 0) return;
    const name = this.#header === null ? 'of unknown type' : FRAME_TABLE[this.#header.type].name;
    throw protocolViolation(name, 'body', 'the stream ended within the frame');
  }
}
