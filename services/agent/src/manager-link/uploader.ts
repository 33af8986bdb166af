/**
 * Sends records to the manager in batches, and keeps them while it is away.
 *
 * Mechanism: records gather in memory and are sent every few seconds; what cannot be sent goes to the spool, whose
 * batches are sent first, oldest first, once the manager is back. Special cases: a batch that the manager refuses for
 * what it is (not for when it comes) is dropped and counted, or it would stop all behind it for ever. Failure: memory
 * holds one batch at most (R10); beyond that the spool takes over, and its limit decides what is lost.
 */
import { toLmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { Spool } from './spool.ts';

const RETRY = { firstMilliseconds: 1_000, longestMilliseconds: 60_000 };
/** What is still in memory at the end gets one chance; then it goes to the spool. */
const LAST_SEND_MILLISECONDS = 3_000;

export interface UploaderOptions<Item> {
  readonly send: (batch: readonly Item[], signal: AbortSignal) => Promise<void>;
  readonly spool: Spool<Item>;
  /** Of one request. */
  readonly batchRecords: number;
  readonly batchBytes: number;
  readonly intervalMilliseconds: number;
}

export class Uploader<Item> {
  readonly #options: UploaderOptions<Item>;
  #pending: Item[] = [];
  #pendingBytes = 0;
  #rejected = 0;
  #wake = Promise.withResolvers<void>();

  constructor(options: UploaderOptions<Item>) {
    this.#options = options;
  }

  /** Records that the manager never got and never will. */
  get droppedRecords(): number {
    return this.#options.spool.droppedRecords + this.#rejected;
  }

  push(record: Item): void {
    this.#pending.push(record);
    this.#pendingBytes += JSON.stringify(record).length;
    const { batchRecords, batchBytes } = this.#options;
    if (this.#pending.length >= batchRecords || this.#pendingBytes >= batchBytes) this.#options.spool.put(this.#take());
  }

  /** Does not wait for the interval; while the manager is away it changes nothing. */
  sendSoon(): void {
    this.#wake.resolve();
  }

  /** Until the signal aborts; then what is left is sent or kept. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff(RETRY);
    while (!signal.aborted) {
      await this.#interval(signal);
      if (signal.aborted) break;
      if (await this.#sendAll(signal)) backOff.succeeded();
      else await pause(backOff.failed(), signal);
    }
    await this.#sendAll(AbortSignal.timeout(LAST_SEND_MILLISECONDS));
    this.#options.spool.put(this.#take());
  }

  async #interval(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    await Promise.race([
      pause(this.#options.intervalMilliseconds, AbortSignal.any([signal, over.signal])),
      this.#wake.promise,
    ]);
    over.abort();
    this.#wake = Promise.withResolvers<void>();
  }

  /** False when the manager did not take what there was. */
  async #sendAll(signal: AbortSignal): Promise<boolean> {
    const { spool } = this.#options;
    for (let batch = spool.oldest(); batch !== null; batch = spool.oldest()) {
      const outcome = await this.#send(batch.records, signal);
      if (outcome === 'taken') spool.remove(batch);
      else if (outcome === 'refused') spool.reject(batch);
      else return false;
    }
    const records = this.#take();
    if (records.length === 0) return true;
    const outcome = await this.#send(records, signal);
    if (outcome === 'refused') this.#rejected += records.length;
    if (outcome !== 'later') return true;
    spool.put(records);
    return false;
  }

  async #send(records: readonly Item[], signal: AbortSignal): Promise<'taken' | 'refused' | 'later'> {
    try {
      await this.#options.send(records, signal);
      return 'taken';
    } catch (thrown) {
      const { code } = toLmsError(thrown);
      return code === 'INVALID_ARGUMENT' || code === 'NOT_FOUND' || code === 'REMOVED' ? 'refused' : 'later';
    }
  }

  #take(): Item[] {
    const taken = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    return taken;
  }
}
