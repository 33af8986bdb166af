/**
 * Where an export's two ends meet: the operator's GET that waits, and the replication server's PUT that brings the disk.
 *
 * Situation: replication servers can be reached by nobody but agents, so they push. Mechanism: the GET is registered under
 * the operation's id before the task is made; the PUT of that id is handed to it and piped through, never stored: the slower
 * end holds the faster one back. Failure: whichever end goes, the other is told at once; a PUT that nobody waits for is
 * refused. Both must reach the same gateway; with several see `peers/shared-exchange.ts`.
 */
import type { Readable } from 'node:stream';
import { LmsError } from '@lms/errors';

/** Exports at the same time: each holds two connections and some hundred KiB. */
const MAXIMUM_WAITING = 64;

export interface Upload {
  readonly body: Readable;
  readonly sizeBytes: number;
}

export interface Receipt {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

interface Waiting {
  readonly offer: (upload: Upload) => Promise<Receipt>;
}

export class ExportExchange {
  readonly #waiting = new Map<string, Waiting>();

  get size(): number {
    return this.#waiting.size;
  }

  waits(operationId: string): boolean {
    return this.#waiting.has(operationId);
  }

  /** The operator's end. `receive` is called with the upload when it comes, at most once. */
  expect(operationId: string, receive: (upload: Upload) => Promise<Receipt>): Disposable {
    if (this.#waiting.size >= MAXIMUM_WAITING) {
      throw new LmsError('RESOURCE_EXHAUSTED', `${this.#waiting.size} exports are under way already`, {
        action: 'wait until one of them is over',
      });
    }
    const waiting = { offer: receive };
    this.#waiting.set(operationId, waiting);
    return {
      [Symbol.dispose]: () => {
        if (this.#waiting.get(operationId) === waiting) this.#waiting.delete(operationId);
      },
    };
  }

  /** The replication server's end: resolves when the operator has all of it. */
  deliver(operationId: string, upload: Upload): Promise<Receipt> {
    const waiting = this.#waiting.get(operationId);
    if (waiting === undefined) {
      throw new LmsError('FAILED_PRECONDITION', `nobody waits for export ${operationId}`, {
        action: 'drop it; the operator has gone, and asks anew',
      });
    }
    this.#waiting.delete(operationId);
    return waiting.offer(upload);
  }
}
