/**
 * Situation: bytes from a peer that may be broken or hostile. Mechanism: every read names its field and checks that the
 * body still has the bytes (R8); `finish` demands that nothing is left. Special case: 64-bit fields beyond 2^53 cannot be
 * held exactly and are refused. Failure: PROTOCOL_VIOLATION that names frame and field, and nothing else is thrown.
 */
import { MAXIMUM_TOKEN_BYTES } from './wire-format.ts';
import { protocolViolation } from './violation.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TOKEN = /^[A-Za-z0-9._:-]*$/;
/** Line feeds and the like would forge log lines and terminals. */
const PRINTABLE = /^[^\u0000-\u001f\u007f]*$/;

export class ByteReader {
  readonly #frame: string;
  readonly #body: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(frame: string, body: Uint8Array) {
    this.#frame = frame;
    this.#body = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  #take(field: string, lengthBytes: number): number {
    const start = this.#position;
    if (lengthBytes > this.#body.byteLength - start) {
      throw protocolViolation(
        this.#frame,
        field,
        `needs ${lengthBytes} bytes, the body has ${this.#body.byteLength - start} left`,
      );
    }
    this.#position = start + lengthBytes;
    return start;
  }

  u8(field: string, minimum = 0, maximum = 0xff): number {
    return this.#within(field, this.#view.getUint8(this.#take(field, 1)), minimum, maximum);
  }

  u16(field: string, minimum = 0, maximum = 0xffff): number {
    return this.#within(field, this.#view.getUint16(this.#take(field, 2), true), minimum, maximum);
  }

  u32(field: string, minimum = 0, maximum = 0xffff_ffff): number {
    return this.#within(field, this.#view.getUint32(this.#take(field, 4), true), minimum, maximum);
  }

  u64(field: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER): number {
    const start = this.#take(field, 8);
    const value = this.#view.getUint32(start + 4, true) * 2 ** 32 + this.#view.getUint32(start, true);
    return this.#within(field, value, minimum, maximum);
  }

  #within(field: string, value: number, minimum: number, maximum: number): number {
    if (value < minimum || value > maximum) {
      throw protocolViolation(this.#frame, field, `${value} is not within ${minimum} to ${maximum}`);
    }
    return value;
  }

  /** A view on the body, not a copy. */
  bytes(field: string, lengthBytes: number): Uint8Array {
    const start = this.#take(field, lengthBytes);
    return this.#body.subarray(start, start + lengthBytes);
  }

  remaining(): Uint8Array {
    return this.bytes('payload', this.#body.byteLength - this.#position);
  }

  text(field: string, minimumBytes: number, maximumBytes: number): string {
    const lengthBytes = this.u16(`${field}.length`, minimumBytes, maximumBytes);
    const bytes = this.bytes(field, lengthBytes);
    let text: string;
    try {
      text = utf8.decode(bytes);
    } catch {
      throw protocolViolation(this.#frame, field, 'is not UTF-8');
    }
    if (!PRINTABLE.test(text)) throw protocolViolation(this.#frame, field, 'has a control character');
    return text;
  }

  /** Letters, digits and `._:-`. */
  token(field: string, minimumBytes = 1): string {
    const text = this.text(field, minimumBytes, MAXIMUM_TOKEN_BYTES);
    if (!TOKEN.test(text))
      throw protocolViolation(this.#frame, field, 'has a character other than A-Z a-z 0-9 . _ : -');
    return text;
  }

  /** `u16` count, then that many items. `key` (when given) must differ between items. */
  list<Item>(
    field: string,
    minimum: number,
    maximum: number,
    item: (field: string) => Item,
    key?: (item: Item) => string | number,
  ): Item[] {
    const count = this.u16(`${field}.count`, minimum, maximum);
    const items: Item[] = [];
    const seen = new Set<string | number>();
    for (let index = 0; index < count; index += 1) {
      const value = item(`${field}[${index}]`);
      if (key !== undefined) {
        const identity = key(value);
        if (seen.has(identity)) throw protocolViolation(this.#frame, `${field}[${index}]`, `repeats ${identity}`);
        seen.add(identity);
      }
      items.push(value);
    }
    return items;
  }

  fail(field: string, problem: string): never {
    throw protocolViolation(this.#frame, field, problem);
  }

  finish(): void {
    const left = this.#body.byteLength - this.#position;
    if (left !== 0) throw protocolViolation(this.#frame, 'body', `${left} bytes after the last field`);
  }
}
