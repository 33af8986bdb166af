/**
 * A block-stream connection between two simulated processes: the real codec, and a byte stream that can break.
 *
 * Bytes travel in segments through a pipe of bounded capacity, as with sockets: `send` resolves when the frame's last
 * byte is in the pipe, and what it was given is read only then, so that a buffer that is reused too early arrives as
 * rubbish. A received frame's bytes become rubbish when the next is asked for.
 */
import { encodeFrame, FrameDecoder, type DecodedFrame, type Frame, type FrameConnection } from '@lms/block-stream';
import { LmsError, toLmsError } from '@lms/errors';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Pipe } from './pipe.ts';

const RUBBISH = 0x5a;

/** How an end of a connection learns that it is over. */
export type LinkEnd = 'orderly' | 'reset';

export interface EndpointObserver {
  /** After the frame's last byte went into the pipe. */
  sent(frame: Frame): void;
  /** Before the frame is given to the core. */
  received(frame: Frame): void;
  /** The core keeps so many bytes of received frames. */
  held(bytes: number): void;
  /** The core has given so many bytes that are not in the pipe yet. */
  queued(bytes: number): void;
}

interface PendingSend {
  readonly frame: Frame;
  readonly parts: readonly Uint8Array[];
  readonly resolve: () => void;
  readonly reject: (error: LmsError) => void;
}

export class Endpoint implements FrameConnection {
  readonly #process: SimulatedProcess;
  readonly #random: Random;
  readonly #observer: EndpointObserver;
  readonly #outgoing: Pipe;
  readonly #incoming: Pipe;
  readonly #decoder = new FrameDecoder();
  readonly #sends: PendingSend[] = [];
  #sending = false;
  #lent: DecodedFrame | null = null;
  #waiting: { readonly resolve: (frame: Frame | null) => void; readonly reject: (error: LmsError) => void } | null =
    null;
  #failure: LmsError | null = null;
  #receiveFailure: LmsError | null = null;
  #ended = false;
  #heldBytes = 0;
  #corrupt: (() => void) | null = null;

  constructor(process: SimulatedProcess, outgoing: Pipe, incoming: Pipe, random: Random, observer: EndpointObserver) {
    this.#process = process;
    this.#outgoing = outgoing;
    this.#incoming = incoming;
    this.#random = random;
    this.#observer = observer;
    incoming.onReadable = () => this.#pump();
    outgoing.onWritable = () => void this.#sendNext();
  }

  get open(): boolean {
    return this.#failure === null && !this.#ended;
  }

  /** Bytes that the core gave us and that are not in the pipe yet (R10). */
  get queuedBytes(): number {
    return this.#sends.reduce((sum, { parts }) => sum + parts.reduce((bytes, part) => bytes + part.byteLength, 0), 0);
  }

  send(frame: Frame): Promise<void> {
    return this.#process.call(`send ${frame.type}`, 0, () => {
      if (this.#failure !== null) throw this.#failure;
      const parts = encodeFrame(frame);
      return new Promise<void>((resolve, reject) => {
        this.#sends.push({ frame, parts, resolve, reject });
        this.#observer.queued(this.queuedBytes);
        void this.#sendNext();
      });
    });
  }

  receive(): Promise<Frame | null> {
    this.#release();
    return this.#process.call('receive', 0, async () => {
      const frame = await this.#nextFrame();
      if (frame !== null) this.#observer.received(frame);
      return frame;
    });
  }

  /** Bytes of received frames that the core still holds (R10). */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  hold(): () => void {
    const lent = this.#lent;
    if (lent === null) throw new Error('hold without a frame');
    this.#lent = null;
    const bytes = lent.frame.type === 'write' ? lent.frame.payload.byteLength : 0;
    this.#heldBytes += bytes;
    this.#observer.held(this.#heldBytes);
    return () => {
      this.#heldBytes -= bytes;
      giveBack(lent);
    };
  }

  /** The memory of the sender rots: a bit of the next write's data flips after its digest was made (R9). */
  corruptNextWrite(onCorrupted: () => void): void {
    this.#corrupt = onCorrupted;
  }

  close(): void {
    if (!this.#process.alive || this.#failure !== null) return;
    this.#outgoing.end('orderly');
    this.#incoming.stopReading();
    this.fail(new LmsError('CANCELLED', 'the connection was closed'));
  }

  /** The network (or the death of a process) ends this end of the connection. */
  fail(error: LmsError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    for (const send of this.#sends.splice(0)) send.reject(error);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(error);
  }

  #nextFrame(): Promise<Frame | null> {
    return new Promise((resolve, reject) => {
      if (this.#waiting !== null) throw new Error('receive while another receive waits');
      this.#waiting = { resolve, reject };
      this.#pump();
    });
  }

  #pump(): void {
    const waiting = this.#waiting;
    if (waiting === null || !this.#process.alive) return;
    const settle = (action: () => void): void => {
      this.#waiting = null;
      action();
    };
    const error = this.#failure ?? this.#receiveFailure;
    if (error !== null) return settle(() => waiting.reject(error));
    try {
      const frame = this.#decode();
      if (frame !== null) return settle(() => waiting.resolve(frame));
      if (this.#incoming.endedAs === null) return;
      this.#ended = true;
      if (this.#incoming.endedAs === 'reset') throw new LmsError('UNAVAILABLE', 'the connection was reset');
      this.#decoder.end();
    } catch (thrown) {
      const failure = toLmsError(thrown);
      this.#receiveFailure = failure;
      return settle(() => waiting.reject(failure));
    }
    settle(() => waiting.resolve(null));
  }

  #decode(): Frame | null {
    for (;;) {
      const decoded = this.#decoder.next();
      if (decoded === null) {
        const segment = this.#incoming.take();
        if (segment === null) return null;
        this.#decoder.push(segment);
      } else {
        this.#lent = decoded;
        return decoded.frame;
      }
    }
  }

  #release(): void {
    if (this.#lent !== null) giveBack(this.#lent);
    this.#lent = null;
  }

  async #sendNext(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let send = this.#sends[0]; send !== undefined; send = this.#sends[0]) {
      if (!(await this.#write(send))) break;
      if (this.#sends[0] !== send) continue;
      this.#sends.shift();
      this.#observer.sent(send.frame);
      send.resolve();
    }
    this.#sending = false;
  }

  /** False when the process or the connection is gone. */
  async #write(send: PendingSend): Promise<boolean> {
    for (const part of send.parts) {
      for (let start = 0; start < part.byteLength;) {
        await this.#outgoing.room();
        if (!this.#process.alive || this.#failure !== null) return false;
        const length = Math.min(part.byteLength - start, this.#random.between(16_384, 262_144));
        const segment = part.slice(start, start + length);
        if (this.#corrupt !== null && send.frame.type === 'write' && part === send.parts[1]) {
          const position = this.#random.below(length);
          segment[position] = (segment[position] as number) ^ (1 << this.#random.below(8));
          this.#corrupt();
          this.#corrupt = null;
        }
        this.#outgoing.put(segment);
        start += length;
      }
    }
    return true;
  }
}

function giveBack(lent: DecodedFrame): void {
  if (lent.frame.type === 'write') lent.frame.payload.fill(RUBBISH);
  if (lent.frame.type === 'digestAnswer') lent.frame.digests.fill(RUBBISH);
  lent.release();
}
