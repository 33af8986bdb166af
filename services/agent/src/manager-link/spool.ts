/**
 * Batches that could not be sent, kept until the manager is back: compressed files in the agent's folder below `/run`.
 *
 * Situation: the manager may be away for hours, the agent may be restarted meanwhile, and no tracked disk may be written
 * to for it (R17). Mechanism: tmpfs, one file per batch, named by a number that grows and the count of its records.
 * Special cases: beyond the limit the oldest batch goes first, and its records are counted. Failure: memory (tmpfs) is
 * lost with the machine, and so are these records; downside of never writing to a disk that is replicated.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { z } from 'zod';

const FILE_FORM = /^(\d{12})-(\d{1,6})\.json\.zst$/;
/** A batch is below 8 MiB, or the manager would not have taken it. */
const MAXIMUM_BATCH_BYTES = 16 * 1024 * 1024;
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };

export interface SpooledBatch<Item> {
  readonly file: string;
  readonly records: readonly Item[];
}

export interface SpoolOptions<Item> {
  readonly folder: string;
  /** Of all files together. */
  readonly limitBytes: number;
  readonly schema: z.ZodType<Item>;
}

interface Entry {
  readonly file: string;
  readonly count: number;
  readonly sizeBytes: number;
}

export class Spool<Item> {
  readonly #options: SpoolOptions<Item>;
  /** Oldest first. */
  #entries: Entry[] = [];
  #nextNumber = 1;
  #dropped = 0;

  constructor(options: SpoolOptions<Item>) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(options.folder).sort()) {
      const [, number, count] = FILE_FORM.exec(name) ?? [];
      if (number === undefined || count === undefined) {
        rmSync(join(options.folder, name), { force: true });
        continue;
      }
      const { size } = statSync(join(options.folder, name));
      this.#entries.push({ file: name, count: Number(count), sizeBytes: size });
      this.#nextNumber = Number(number) + 1;
    }
    this.#enforceLimit();
  }

  /** Records that were dropped since the agent started. */
  get droppedRecords(): number {
    return this.#dropped;
  }

  get usedBytes(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  }

  put(records: readonly Item[]): void {
    if (records.length === 0) return;
    const data = zstdCompressSync(Buffer.from(JSON.stringify(records)), COMPRESSION);
    const file = `${String(this.#nextNumber).padStart(12, '0')}-${records.length}.json.zst`;
    this.#nextNumber++;
    const path = join(this.#options.folder, file);
    try {
      writeFileSync(`${path}.new`, data, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch {
      // No room in memory: replication needs it more than its own history.
      rmSync(`${path}.new`, { force: true });
      this.#dropped += records.length;
      return;
    }
    this.#entries.push({ file, count: records.length, sizeBytes: data.length });
    this.#enforceLimit();
  }

  /** null when there is none. A file that cannot be read is dropped. */
  oldest(): SpooledBatch<Item> | null {
    for (let entry = this.#entries[0]; entry !== undefined; entry = this.#entries[0]) {
      const records = this.#read(entry);
      if (records !== null) return { file: entry.file, records };
      this.#drop(entry);
    }
    return null;
  }

  /** The batch was taken by the manager. */
  remove(batch: SpooledBatch<Item>): void {
    this.#forget(batch.file);
  }

  /** The manager will never take it. */
  reject(batch: SpooledBatch<Item>): void {
    this.#dropped += batch.records.length;
    this.#forget(batch.file);
  }

  #read(entry: Entry): readonly Item[] | null {
    try {
      const data = readFileSync(join(this.#options.folder, entry.file));
      const text = zstdDecompressSync(data, { maxOutputLength: MAXIMUM_BATCH_BYTES }).toString('utf8');
      const parsed: unknown = JSON.parse(text);
      if (!Array.isArray(parsed) || parsed.length !== entry.count) return null;
      return parsed.map((record) => this.#options.schema.parse(record));
    } catch {
      return null;
    }
  }

  #enforceLimit(): void {
    let used = this.usedBytes;
    for (
      let entry = this.#entries[0];
      entry !== undefined && used > this.#options.limitBytes;
      entry = this.#entries[0]
    ) {
      used -= entry.sizeBytes;
      this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    this.#dropped += entry.count;
    this.#forget(entry.file);
  }

  #forget(file: string): void {
    this.#entries = this.#entries.filter((entry) => entry.file !== file);
    rmSync(join(this.#options.folder, file), { force: true });
  }
}
