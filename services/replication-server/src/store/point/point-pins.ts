/**
 * `pins.json`: points that stay, whatever retention says, until an operator lets them go. A pin is durable when `set`
 * returns, and a pinned point is never removed; so a sequence in the record always has its point.
 */
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { readRecord, replaceRecord } from '../record/record.ts';
import type { StoreFileSystem } from '../store-file-system.ts';

const PINS_RECORD = 'pins.json';
/** Each holds blocks that retention would give back; more is a script that went wrong. */
const MAXIMUM_PINS = 256;

const pinsSchema = z.object({ schemaVersion: z.literal(1), sequences: z.array(z.int().positive()) });

export class PointPins {
  #files: StoreFileSystem;
  #sequences: ReadonlySet<number> = new Set();

  constructor(files: StoreFileSystem) {
    this.#files = files;
  }

  /** After the root folder was synced: a pin that is told must stay (R12). */
  async open(): Promise<void> {
    const record = await readRecord(this.#files, PINS_RECORD, pinsSchema);
    this.#sequences = new Set(record?.sequences);
  }

  has(sequence: number): boolean {
    return this.#sequences.has(sequence);
  }

  async set(sequence: number, pinned: boolean): Promise<void> {
    if (this.has(sequence) === pinned) return;
    if (pinned && this.#sequences.size >= MAXIMUM_PINS) {
      throw new LmsError('RESOURCE_EXHAUSTED', `${MAXIMUM_PINS} points of the machine are pinned already`, {
        action: 'Unpin one that is needed no longer.',
      });
    }
    const sequences = new Set(this.#sequences);
    if (pinned) sequences.add(sequence);
    else sequences.delete(sequence);
    const record = { schemaVersion: 1, sequences: [...sequences].sort((first, second) => first - second) };
    await replaceRecord(this.#files, PINS_RECORD, record, 'pins.file');
    await this.#files.syncFolder('', 'pins.folder');
    this.#sequences = sequences;
  }
}
