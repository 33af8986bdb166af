/**
 * The block stream's connection over TLS, the same at both ends.
 *
 * Situation: one TCP connection carries some 1 GiB/s as TLS records of 16 KiB. Mechanism: records are read as they come
 * (`readable` + `read`, not `data`: a third less processor time) and copied once into a frame's buffer; the waiting
 * `receive` wakes once per frame. Writes go one frame at a time, head and payload as buffers of their own, so that Node
 * never joins a payload into a copy; the next frame waits until the kernel has the last byte (R10: the window is one
 * frame and the kernel's socket buffer).
 * Special cases: an end that was silent for a while sends a heartbeat by itself, also while its core is busy; received ones
 * go to the core like any frame. The silence limit counts only while somebody waits for a frame, because we do not read
 * while the store is slow. `allowHalfOpen` is on: without it Node drops what is not yet drained
 * when the peer ends. After our `close` what the peer still sends is read and thrown away for a moment: closing with
 * unread bytes would reset the connection, and the peer would lose the ERROR frame that tells it why.
 * Failure: every end of the connection is one `LmsError`, given to whoever waits and to every later call.
 */
import type { TLSSocket } from 'node:tls';
import { LmsError, toLmsError } from '@lms/errors';
import type { Frame, FrameConnection } from './frames.ts';
import { because } from './failure-reason.ts';
import { encodeFrame } from './codec.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { DecodedFrame } from './frame-decoder.ts';
import { PacedReading } from './paced-reading.ts';
import { writePaced } from './paced-write.ts';
import { UNPACED } from './pacer.ts';
import type { Pacer } from './pacer.ts';

/** A silent end sends something this often, so that the other can tell "idle" from "gone". */
export const HEARTBEAT_MILLISECONDS = 10_000;
/** Three heartbeats missed. */
export const SILENCE_LIMIT_MILLISECONDS = 30_000;
/** How long a closed connection still drains what the peer had sent. */
const LINGER_MILLISECONDS = 2_000;
/** What a socket may hold unread: a burst of a few reads, so that reading stops and starts rarely. */
export const SOCKET_BUFFER_BYTES = 1024 * 1024;

export interface ConnectionOptions {
  /** Default 10,000. */
  readonly heartbeatMilliseconds?: number;
  /** Default 30,000. */
  readonly silenceLimitMilliseconds?: number;
  /** Makes what we send wait. Default: nothing waits. */
  readonly sendPacer?: Pacer;
  /** Makes what the peer sends wait, from its second frame on. Default: nothing waits. */
  readonly receivePacer?: Pacer;
  /** Of the TCP connection, TLS included; to be given with `receivePacer`. Default: what TLS says, without its own part. */
  readonly arrivedBytes?: () => number;
}

export class TlsFrameConnection implements FrameConnection {
  readonly #socket: TLSSocket;
  readonly #peer: string;
  readonly #decoder = new FrameDecoder();
  readonly #timer: NodeJS.Timeout;
  readonly #silenceLimitMilliseconds: number;
  readonly #heartbeatMilliseconds: number;
  readonly #sendPacer: Pacer;
  readonly #reading: PacedReading;
  /** Ends what waits for a pacer. */
  readonly #over = new AbortController();
  #ready: DecodedFrame | null = null;
  /** The frame that `receive` returned last: its buffer goes back at the next call, unless it is held. */
  #lent: DecodedFrame | null = null;
  #waiting: { resolve: () => void; reject: (error: LmsError) => void } | null = null;
  #failure: LmsError | null = null;
  /** What the peer broke: nothing more is read, but an ERROR frame can still be sent. */
  #receiveError: LmsError | null = null;
  #ended = false;
  #closed = false;
  #sends: Promise<void> = Promise.resolve();
  #sendsPending = 0;
  #heardAt = performance.now();
  #sentAt = performance.now();

  /** `socket` has finished its handshake and was checked; `peer` names the other end in errors. */
  constructor(socket: TLSSocket, peer: string, options: ConnectionOptions = {}) {
    this.#socket = socket;
    this.#peer = peer;
    this.#heartbeatMilliseconds = options.heartbeatMilliseconds ?? HEARTBEAT_MILLISECONDS;
    this.#silenceLimitMilliseconds = options.silenceLimitMilliseconds ?? SILENCE_LIMIT_MILLISECONDS;
    this.#sendPacer = options.sendPacer ?? UNPACED;
    const arrivedBytes = options.arrivedBytes ?? (() => socket.bytesRead);
    this.#reading = new PacedReading(options.receivePacer ?? UNPACED, arrivedBytes, this.#over.signal, () =>
      this.#pump(),
    );
    socket.setNoDelay(true);
    socket.on('readable', this.#pump);
    socket.once('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.once('close', this.#onClose);
    this.#timer = setInterval(this.#beat, Math.min(this.#heartbeatMilliseconds, this.#silenceLimitMilliseconds) / 2);
    this.#timer.unref();
  }

  send(frame: Frame): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const parts = encodeFrame(frame);
    this.#sendsPending += 1;
    const sent = this.#sends.then(() => this.#write(parts));
    this.#sends = sent.then(this.#sendSettled, this.#sendSettled);
    return sent;
  }

  readonly #sendSettled = (): void => {
    this.#sendsPending -= 1;
    this.#sentAt = performance.now();
  };

  async #write(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#sendPacer.quantumBytes() === null) return this.#writeAtOnce(parts);
    try {
      await writePaced(this.#socket, parts, this.#sendPacer, this.#over.signal);
    } catch (thrown) {
      throw this.#failure ?? this.#broken(thrown as Error);
    }
  }

  #writeAtOnce(parts: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve, reject) => {
      parts.forEach((part, index) => {
        if (index < parts.length - 1) this.#socket.write(part);
        else this.#socket.write(part, (error) => (error ? reject(this.#failure ?? this.#broken(error)) : resolve()));
      });
    });
  }

  async receive(): Promise<Frame | null> {
    this.#lent?.release();
    this.#lent = null;
    for (;;) {
      if (this.#closed && this.#failure !== null) throw this.#failure;
      this.#pump();
      if (this.#ready !== null) {
        this.#lent = this.#ready;
        this.#ready = null;
        return this.#lent.frame;
      }
      const error = this.#receiveError ?? this.#failure;
      if (error !== null) throw error;
      if (this.#ended) return null;
      this.#heardAt = performance.now();
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject };
      });
    }
  }

  hold(): () => void {
    const lent = this.#lent;
    if (lent === null) throw new Error('hold without a frame');
    this.#lent = null;
    return lent.release;
  }

  /** Reads records until one frame is complete; more than that stays in the socket: back-pressure. */
  readonly #pump = (): void => {
    if (this.#closed || this.#receiveError !== null) return;
    try {
      while (this.#ready === null) {
        const decoded = this.#decoder.next();
        if (decoded !== null) {
          this.#ready = decoded;
          this.#reading.firstFrameRead();
          break;
        }
        if (!this.#reading.mayRead()) break;
        const chunk = this.#socket.read() as Uint8Array | null;
        if (chunk === null) break;
        this.#heardAt = performance.now();
        this.#decoder.push(chunk);
      }
    } catch (thrown) {
      // The socket stays open: the core still has an ERROR frame to send.
      this.#receiveFails(toLmsError(thrown));
      return;
    }
    if (this.#ready !== null) this.#wake();
  };

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve();
  }

  /** Only the receiving side is over. */
  #receiveFails(error: LmsError): void {
    this.#socket.off('readable', this.#pump);
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#receiveError = error;
    waiting?.reject(error);
  }

  readonly #onEnd = (): void => {
    this.#ended = true;
    try {
      this.#pump();
      if (this.#ready === null) this.#decoder.end();
    } catch (thrown) {
      this.#receiveFails(toLmsError(thrown));
      return;
    }
    this.#wake();
  };

  readonly #onError = (error: Error): void => {
    this.#fail(this.#broken(error));
  };

  readonly #onClose = (): void => {
    clearInterval(this.#timer);
    if (!this.#ended || this.#sendsPending > 0) this.#fail(this.#broken(new Error('the connection was closed')));
  };

  #broken(error: Error): LmsError {
    return brokenConnection(this.#peer, error);
  }

  #fail(error: LmsError): void {
    this.#failure ??= error;
    this.#over.abort(this.#failure);
    clearInterval(this.#timer);
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(this.#failure);
  }

  readonly #beat = (): void => {
    const now = performance.now();
    if (this.#reading.isWaiting) this.#heardAt = now;
    if (this.#waiting !== null && now - this.#heardAt > this.#silenceLimitMilliseconds) {
      const seconds = Math.round(this.#silenceLimitMilliseconds / 1000);
      this.#fail(
        new LmsError('UNAVAILABLE', `Nothing was heard from ${this.#peer} for ${seconds} seconds`, {
          action: 'It is tried again by itself; if it stays so, check the network between the two on TCP 1500.',
          cause: because('SILENCE'),
        }),
      );
      return;
    }
    if (this.#sendsPending === 0 && now - this.#sentAt >= this.#heartbeatMilliseconds) {
      this.send({ type: 'heartbeat' }).catch(this.#onHeartbeatFailure);
    }
  };

  /** A broken connection reaches `receive` and `send` by `#failure`; the heartbeat itself has nobody to tell. */
  readonly #onHeartbeatFailure = (): void => undefined;

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#failure ??= new LmsError('CANCELLED', `The connection to ${this.#peer} was closed`);
    this.#over.abort(this.#failure);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(this.#failure);
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.off('readable', this.#pump);
    socket.on('data', discard);
    socket.resume();
    socket.end();
    const linger = setTimeout(() => socket.destroy(), LINGER_MILLISECONDS);
    socket.once('end', () => socket.destroySoon());
    socket.once('close', () => clearTimeout(linger));
    if (this.#ended) socket.destroySoon();
  }
}

const discard = (): void => undefined;

/** TLS alerts by which a peer refuses us: not a broken network, and not mended by trying again. */
const REFUSALS =
  /ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE|UNSUPPORTED_CERTIFICATE|NO_APPLICATION_PROTOCOL|ACCESS_DENIED|UNRECOGNIZED_NAME)|CERTIFICATE_REQUIRED|CERT_|UNABLE_TO_|SELF_SIGNED|ERR_TLS_CERT/;

export function brokenConnection(peer: string, thrown: unknown): LmsError {
  const error = toLmsError(thrown);
  const systemCode = String((thrown as NodeJS.ErrnoException).code ?? '');
  if (REFUSALS.test(systemCode)) {
    return new LmsError('UNAUTHENTICATED', `TLS with ${peer} was refused: ${error.message}`, {
      action: 'Check that both ends have certificates of the same manager that are still valid, and their clocks.',
      cause: thrown,
    });
  }
  return new LmsError('UNAVAILABLE', `The connection to ${peer} broke: ${error.message}`, {
    action: 'It is tried again by itself; if it stays so, check the network between the two on TCP 1500.',
    cause: thrown,
  });
}
