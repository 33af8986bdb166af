/** A progress bar, on a terminal only, and on stderr: results are never mixed with it. */
import type { WriteStream } from 'node:tty';
import { formatBytes } from './table.ts';

const BAR_WIDTH = 24;
/** Ten times a second is as much as an eye can follow. */
const REDRAW_MILLISECONDS = 100;

export interface Progress {
  /** `doneBytes` of `totalBytes`; `label` says what of. */
  show(label: string, doneBytes: number, totalBytes: number): void;
  /** A line without a bar, replaced by the next call. */
  note(text: string): void;
  /** Takes the bar away. Safe to repeat. */
  clear(): void;
}

const SILENT: Progress = { show() {}, note() {}, clear() {} };

export function createProgress(stream: WriteStream | NodeJS.WriteStream): Progress {
  return stream.isTTY ? new TerminalProgress(stream) : SILENT;
}

class TerminalProgress implements Progress {
  readonly #stream: NodeJS.WriteStream;
  #drawnAt = 0;
  #visible = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(label: string, doneBytes: number, totalBytes: number): void {
    const now = performance.now();
    if (this.#visible && doneBytes < totalBytes && now - this.#drawnAt < REDRAW_MILLISECONDS) return;
    this.#drawnAt = now;
    const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 1;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
    this.#draw(`${label} ${bar} ${Math.floor(share * 100)} %  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
  }

  note(text: string): void {
    this.#draw(text);
  }

  clear(): void {
    if (this.#visible) this.#stream.write('\r\x1b[2K');
    this.#visible = false;
  }

  #draw(text: string): void {
    const columns = this.#stream.columns > 0 ? this.#stream.columns : 80;
    this.#stream.write(`\r\x1b[2K${text.slice(0, columns - 1)}`);
    this.#visible = true;
  }
}
