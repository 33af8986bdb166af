/**
 * Builds the head of a frame. Our own cores make the values, so a value out of range here is a programmer's error
 * (`RangeError`), never an answer to a peer.
 */
import { FRAME_HEADER_BYTES } from './wire-format.ts';

/** A frame without bulk data rarely needs more; it grows where one does. */
const INITIAL_BYTES = 512;

export class ByteWriter {
  #buffer = Buffer.alloc(INITIAL_BYTES);
  #length = FRAME_HEADER_BYTES;

  #reserve(lengthBytes: number): number {
    const start = this.#length;
    const needed = start + lengthBytes;
    if (needed > this.#buffer.byteLength) {
      const grown = Buffer.alloc(Math.max(needed, this.#buffer.byteLength * 2));
      this.#buffer.copy(grown, 0, 0, start);
      this.#buffer = grown;
    }
    this.#length = needed;
    return start;
  }

  u8(value: number): this {
    const start = this.#reserve(1);
    this.#buffer.writeUInt8(value, start);
    return this;
  }

  u16(value: number): this {
    const start = this.#reserve(2);
    this.#buffer.writeUInt16LE(value, start);
    return this;
  }

  u32(value: number): this {
    const start = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, start);
    return this;
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} does not fit a 64-bit field exactly`);
    const start = this.#reserve(8);
    this.#buffer.writeUInt32LE(value % 2 ** 32, start);
    this.#buffer.writeUInt32LE(Math.floor(value / 2 ** 32), start + 4);
    return this;
  }

  bytes(value: Uint8Array): this {
    const start = this.#reserve(value.byteLength);
    this.#buffer.set(value, start);
    return this;
  }

  text(value: string): this {
    const encoded = Buffer.from(value, 'utf8');
    return this.u16(encoded.byteLength).bytes(encoded);
  }

  list<Item>(items: readonly Item[], item: (item: Item) => void): this {
    this.u16(items.length);
    for (const value of items) item(value);
    return this;
  }

  /** The head: header and the fields so far. `followingBytes` of bulk data come after it in the same body. */
  finish(code: number, followingBytes: number): Buffer {
    this.#buffer.writeUInt32LE(this.#length - FRAME_HEADER_BYTES + followingBytes, 0);
    this.#buffer.writeUInt8(code, 4);
    return this.#buffer.subarray(0, this.#length);
  }
}
