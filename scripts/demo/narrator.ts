// What the demo says: one line per step on stdout, progress on one line that is written over (on a terminal).

import process from 'node:process';

const MEBIBYTE = 1024 * 1024;

export class Narrator {
  readonly #startedAt = performance.now();
  #progressShown = false;
  #lastProgress = '';

  step(text: string): void {
    this.#endProgress();
    process.stdout.write(`\n[${this.#clock()}] ${text}\n`);
  }

  detail(text: string): void {
    this.#endProgress();
    for (const line of text.trimEnd().split('\n')) process.stdout.write(`         ${line}\n`);
  }

  /** Without a terminal only what has changed is said, each on a line of its own. */
  progress(text: string): void {
    if (text === this.#lastProgress) return;
    this.#lastProgress = text;
    if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K         ${text}`);
    else process.stdout.write(`         ${text}\n`);
    this.#progressShown = true;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  #clock(): string {
    return `${this.elapsedSeconds.toFixed(1).padStart(5)} s`;
  }

  #endProgress(): void {
    if (this.#progressShown && process.stdout.isTTY) process.stdout.write('\n');
    this.#progressShown = false;
    this.#lastProgress = '';
  }
}

export function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

/** The smallest value that this share of all values does not exceed; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
