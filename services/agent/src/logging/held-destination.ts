/**
 * Where log lines go: to stderr and to the manager. While file systems are frozen they are held in memory (R17): stderr
 * may be a file on a frozen disk, or a pipe to somebody who writes to one, and a write there would wait for the thaw that
 * waits for us.
 */
import { writeSync } from 'node:fs';

/** A freeze lasts two seconds at most; more lines than that in it are a fault that says enough by its first lines. */
const HELD_LINES_LIMIT = 10_000;

export type LineSink = (line: string) => void;

export class HeldDestination {
  readonly #sinks: readonly LineSink[];
  #held: string[] | null = null;
  #dropped = 0;

  constructor(sinks: readonly LineSink[]) {
    this.#sinks = sinks;
  }

  /** pino's destination. */
  write(line: string): void {
    if (this.#held === null) this.#pass(line);
    else if (this.#held.length < HELD_LINES_LIMIT) this.#held.push(line);
    else this.#dropped++;
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    for (const line of held) this.#pass(line);
    if (this.#dropped > 0) {
      this.#pass(`${JSON.stringify({ level: 'warn', message: `${this.#dropped} log lines were dropped` })}\n`);
    }
    this.#dropped = 0;
  }

  #pass(line: string): void {
    for (const sink of this.#sinks) sink(line);
  }
}

/** Writes to stderr at once, so that a process that dies has said why. A reader that is gone is no reason to die. */
export function writeToStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // EPIPE, EAGAIN of a full pipe: replication matters more than its log.
  }
}
