/** Checks over a connection to a replication server: one frame and its answer, bounded in time. */
import type { TLSSocket } from 'node:tls';
import { TlsFrameConnection } from '@lms/block-stream';
import type { CheckAnswerFrame, ErrorFrame, Frame } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import type { CheckLimits } from '../limits.ts';
import { within } from '../limits.ts';
import { StepFailure } from '../report/step-failure.ts';

const NO_BYTES = new Uint8Array(0);

export interface CheckReading {
  readonly frame: CheckAnswerFrame | ErrorFrame;
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly milliseconds: number;
}

export class CheckExchange {
  readonly #connection: TlsFrameConnection;
  readonly #peer: string;
  readonly #limits: CheckLimits;

  constructor(socket: TLSSocket, peer: string, limits: CheckLimits) {
    this.#connection = new TlsFrameConnection(socket, peer);
    this.#peer = peer;
    this.#limits = limits;
  }

  /** Throws when nothing comes; an ERROR of the server is an answer. */
  async ask(sentBytes: number, wantedBytes: number, signal: AbortSignal): Promise<CheckReading> {
    const askedAt = Date.now();
    const startedAt = performance.now();
    // A server that has refused already does not read any more: its word counts, not the broken pipe.
    const sending = this.send(sentBytes, wantedBytes).catch(() => undefined);
    const frame = await this.receive(signal);
    await sending;
    return { frame, askedAt, answeredAt: Date.now(), milliseconds: performance.now() - startedAt };
  }

  /** Resolves when the kernel has it. */
  send(sentBytes: number, wantedBytes: number): Promise<void> {
    const padding = sentBytes === 0 ? NO_BYTES : new Uint8Array(sentBytes);
    return this.#connection.send({ type: 'check', answerPaddingBytes: wantedBytes, padding });
  }

  async receive(signal: AbortSignal): Promise<CheckAnswerFrame | ErrorFrame> {
    const frame = await this.#receiveWithin(this.#limits.answerMilliseconds, signal);
    if (frame?.type === 'checkAnswer' || frame?.type === 'error') return frame;
    const what =
      frame === null ? 'closed the connection without an answer' : `answered with a frame of type ${frame.type}`;
    throw new StepFailure('BLOCK_STREAM_NO_ANSWER', `${this.#peer} ${what}`);
  }

  /** What a server says unasked within this time: of its own will only that it refuses. null: nothing. */
  async hear(milliseconds: number, signal: AbortSignal): Promise<ErrorFrame | null> {
    try {
      const frame = await this.#receiveWithin(milliseconds, signal);
      return frame?.type === 'error' ? frame : null;
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }

  close(): void {
    this.#connection.close();
  }

  async #receiveWithin(milliseconds: number, signal: AbortSignal): Promise<Frame | null> {
    const late = (): Error =>
      new StepFailure('BLOCK_STREAM_NO_ANSWER', `${this.#peer} did not answer within ${milliseconds} ms`);
    try {
      return await within(milliseconds, signal, late, async () => {
        for (;;) {
          const frame = await this.#connection.receive();
          if (frame?.type !== 'heartbeat') return frame;
        }
      });
    } catch (thrown) {
      // Whoever waits for the connection still must not wait for ever.
      this.#connection.close();
      signal.throwIfAborted();
      if (thrown instanceof StepFailure) throw thrown;
      throw new StepFailure('BLOCK_STREAM_NO_ANSWER', `${this.#peer}: ${toLmsError(thrown).message}`, thrown);
    }
  }
}
