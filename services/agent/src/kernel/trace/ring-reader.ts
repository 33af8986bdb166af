/**
 * Reads one processor's ring, page by page, without blocking.
 *
 * The kernel hands a page out once; what it handed out it counts in `read events`. So does this reader: another figure
 * means that somebody else took events from our ring, which no overrun counter shows (R4).
 */
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { allocateAlignedMemory, readAvailable } from '@lms/linux';
import type { ProcessorStatistics, TraceVisitor } from '../../core/ports.ts';
import { ControlFile } from '../control-file.ts';
import { PageDecoder } from './page-decoder.ts';
import type { RingLayout } from './ring-layout.ts';
import { parseRingStatistics } from './ring-statistics.ts';

/** Twice the default ring: a call ends also when events come faster than they can be read. The next call goes on. */
const MAXIMUM_PAGES_PER_CALL = 2048;

export class RingReader {
  readonly processor: number;
  readonly #path: string;
  readonly #fileDescriptor: number;
  readonly #statistics: ControlFile;
  readonly #page: Uint8Array;
  readonly #decoder: PageDecoder;
  readonly #readEventsAtStart: number;
  #recordsRead = 0;

  constructor(folder: string, processor: number, layout: RingLayout) {
    this.processor = processor;
    this.#path = join(folder, `per_cpu/cpu${processor}/trace_pipe_raw`);
    this.#page = allocateAlignedMemory(layout.page.sizeBytes);
    this.#decoder = new PageDecoder(layout, this.#page);
    this.#statistics = new ControlFile(join(folder, `per_cpu/cpu${processor}/stats`));
    this.#readEventsAtStart = this.statistics().readEvents;
    this.#fileDescriptor = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  readEvents(visitor: TraceVisitor): void {
    for (let pages = 0; pages < MAXIMUM_PAGES_PER_CALL; pages++) {
      const length = readAvailable(this.#fileDescriptor, this.#page, this.#path);
      if (length === null || length === 0) return;
      this.#recordsRead += this.#decoder.decode(length, visitor);
    }
  }

  statistics(): ProcessorStatistics {
    return parseRingStatistics(this.#statistics.read());
  }

  /** In words, when events left the ring that we did not get; null when all came to us. */
  difference(): string | null {
    const taken = this.statistics().readEvents - this.#readEventsAtStart;
    if (taken === this.#recordsRead) return null;
    return `processor ${this.processor} handed out ${taken} events, of which ${this.#recordsRead} came here`;
  }

  close(): void {
    closeSync(this.#fileDescriptor);
    this.#statistics.close();
  }
}
