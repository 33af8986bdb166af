/**
 * Says when what has arrived may be read.
 *
 * Situation: only the sender can send less, and it does when TCP finds that we do not read. Mechanism: bytes that have arrived are
 * asked for before they are read; until then the socket takes in no more than its buffer, and the kernel tells the sender to wait.
 * Special cases: the first frame (HELLO, alone until it is answered) does not wait, since it has a deadline: it is counted, and
 * those behind it wait the longer. What arrived while there was no limit is free.
 */
import type { Pacer } from './pacer.ts';

export class PacedReading {
  readonly #pacer: Pacer;
  readonly #arrivedBytes: () => number;
  readonly #signal: AbortSignal;
  readonly #onMayRead: () => void;
  /** Of `arrivedBytes`, those that were asked for; null: none, while there is no limit. */
  #paidBytes: number | null = null;
  #state: 'first-frame' | 'free' | 'waiting' | 'may-read' = 'first-frame';

  constructor(pacer: Pacer, arrivedBytes: () => number, signal: AbortSignal, onMayRead: () => void) {
    this.#pacer = pacer;
    this.#arrivedBytes = arrivedBytes;
    this.#signal = signal;
    this.#onMayRead = onMayRead;
  }

  /** Something lies there that may not be read yet: whoever sent it is not silent. */
  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  firstFrameRead(): void {
    if (this.#state !== 'first-frame') return;
    this.#state = 'free';
    if (this.#pacer.quantumBytes() === null) return;
    this.#paidBytes = this.#arrivedBytes();
    this.#pacer.charge(this.#paidBytes);
  }

  /** Whether to read now, once. When not, `onMayRead` is called when it is time. */
  mayRead(): boolean {
    if (this.#state === 'first-frame') return true;
    if (this.#state === 'waiting') return false;
    if (this.#pacer.quantumBytes() === null) {
      this.#paidBytes = null;
      this.#state = 'free';
      return true;
    }
    const arrived = this.#arrivedBytes();
    this.#paidBytes ??= arrived;
    if (this.#state === 'may-read' || arrived === this.#paidBytes) {
      this.#state = 'free';
      return true;
    }
    this.#state = 'waiting';
    void this.#pay(arrived - this.#paidBytes);
    return false;
  }

  async #pay(bytes: number): Promise<void> {
    try {
      for (let left = bytes; left > 0;) {
        const piece = Math.min(left, this.#pacer.quantumBytes() ?? left);
        await this.#pacer.take(piece, this.#signal);
        left -= piece;
      }
    } catch {
      return; // Aborted: the connection is over, and nothing is read any more.
    }
    if (this.#paidBytes !== null) this.#paidBytes += bytes;
    this.#state = 'may-read';
    this.#onMayRead();
  }
}
