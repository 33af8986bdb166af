/**
 * State in JetStream KV: the whole bucket in memory, kept there by ONE watch, and every write compared and set.
 *
 * Reads come from memory and may be a moment old; a write made with an old revision fails with ABORTED and changes
 * nothing. Our own writes are in memory when they return. A watch per key would cost the server one consumer each; the
 * price of one for all is that every replica holds every value, which at 10,000 machines of 4 KiB is 40 MiB.
 */
import { headers } from '@nats-io/transport-node';
import type { KV, KvEntry } from '@nats-io/kv';
import { LmsError } from '@lms/errors';
import { HEALTHY, pause, unhealthy, type Health } from '@lms/service';
import type { EventConnection } from './connection.ts';
import { fromNats, isConflict } from './failure.ts';
import { StateMemory, type StateEntry } from './state-memory.ts';
import { decodeState, encodeState, type StateCodec } from './state-codec.ts';
import { StateWatch } from './state-watch.ts';

export type { StateEntry } from './state-memory.ts';

/** Of a key: for `lms.v1` state, ids and names with these characters only. */
const KEY_PATTERN = /^[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+)*$/;
/** A writer that loses so often is in a livelock, or the value is not made for compare-and-set. */
const MODIFY_ATTEMPTS_MAX = 20;
const MODIFY_PAUSE_MILLISECONDS = 5;
const WRITE_TIMEOUT_MILLISECONDS = 5_000;
/** Far above what a write of another replica takes to be seen here, far below what a caller waits. */
const FIND_MILLISECONDS = 1_000;
const DELETED_SECONDS = 3_600;

export interface StateBucketOptions<Value> {
  /** `[A-Za-z0-9_-]+`. */
  readonly name: string;
  readonly codec: StateCodec<Value>;
  /** How long it can be seen that a key was deleted. Default: an hour. */
  readonly deletedSeconds?: number;
}

export interface StatePage<Value> {
  /** By key. */
  readonly entries: readonly StateEntry<Value>[];
  /** Null: there is no page after this. */
  readonly nextPageToken: string | null;
}

export class StateBucket<Value> {
  readonly name: string;
  readonly #codec: StateCodec<Value>;
  readonly #deletedSeconds: number;
  readonly #connection: EventConnection;
  readonly #memory: StateMemory<Value>;
  readonly #watch: StateWatch<Value>;

  private constructor(connection: EventConnection, options: StateBucketOptions<Value>) {
    this.name = options.name;
    this.#codec = options.codec;
    this.#deletedSeconds = options.deletedSeconds ?? DELETED_SECONDS;
    this.#connection = connection;
    this.#memory = new StateMemory();
    this.#watch = new StateWatch(connection, options, this.#memory);
  }

  /** Makes the bucket when it is not there; resolves when all that it holds is in memory. */
  static async open<Value>(
    connection: EventConnection,
    options: StateBucketOptions<Value>,
    signal: AbortSignal,
  ): Promise<StateBucket<Value>> {
    const bucket = new StateBucket(connection, options);
    await bucket.#watch.start(signal);
    return bucket;
  }

  /** The newest revision that is in memory; grows with every change of any key. */
  get revision(): number {
    return this.#memory.revision;
  }

  get size(): number {
    return this.#memory.size;
  }

  /** From memory; null when there is no such key. */
  get(key: string): StateEntry<Value> | null {
    return this.#memory.get(key);
  }

  /**
   * From memory, and of a key that is not there, once it comes: another replica may have written it just now, and told its
   * caller, who asks here next. Null when it does not come within a second.
   */
  async find(key: string): Promise<StateEntry<Value> | null> {
    const limit = AbortSignal.any([AbortSignal.timeout(FIND_MILLISECONDS), this.#connection.closing]);
    try {
      await this.#memory.waitFor(() => this.#memory.get(key) !== null, limit);
    } catch (thrown) {
      if (!limit.aborted) throw thrown;
    }
    return this.get(key);
  }

  /** From memory, by key. */
  entries(): readonly StateEntry<Value>[] {
    return this.#memory.sorted();
  }

  /** `pageToken`: of the page before; null: the first page. */
  list(pageSize: number, pageToken: string | null): StatePage<Value> {
    const after = pageToken === null ? null : Buffer.from(pageToken, 'base64url').toString('utf8');
    const rest = this.#memory.sorted().filter((entry) => after === null || entry.key > after);
    const entries = rest.slice(0, pageSize);
    const last = entries.at(-1);
    const more = rest.length > entries.length && last !== undefined;
    return { entries, nextPageToken: more ? Buffer.from(last.key).toString('base64url') : null };
  }

  /** From the server. */
  async fetch(key: string): Promise<StateEntry<Value> | null> {
    const entry = await this.#fetchRaw(key);
    return entry === null || entry.operation !== 'PUT' ? null : this.#decode(key, entry);
  }

  /** ALREADY_EXISTS when the key is there. */
  async create(key: string, value: Value): Promise<StateEntry<Value>> {
    try {
      return await this.#write(key, value, (bucket, payload) => bucket.create(key, payload));
    } catch (thrown) {
      const lost = thrown instanceof LmsError && thrown.code === 'ABORTED';
      throw lost ? new LmsError('ALREADY_EXISTS', `${this.#where(key)} exists already`, { cause: thrown }) : thrown;
    }
  }

  /** ABORTED unless the key is still at `revision`. */
  update(key: string, value: Value, revision: number): Promise<StateEntry<Value>> {
    return this.#write(key, value, (bucket, payload) =>
      bucket.update(key, payload, revision, WRITE_TIMEOUT_MILLISECONDS),
    );
  }

  /**
   * Reads, changes, writes, and does so again when somebody was faster. `change` gets null when there is no such key and
   * may run several times; when it returns what it got, nothing is written. ABORTED after 20 lost races.
   */
  async modify(key: string, change: (current: Value | null) => Value): Promise<StateEntry<Value>> {
    let current = this.get(key);
    for (let attempt = 1; ; attempt += 1) {
      const value = change(current?.value ?? null);
      if (current !== null && value === current.value) return current;
      try {
        return current === null ? await this.create(key, value) : await this.update(key, value, current.revision);
      } catch (thrown) {
        const lost = thrown instanceof LmsError && (thrown.code === 'ABORTED' || thrown.code === 'ALREADY_EXISTS');
        if (!lost || attempt >= MODIFY_ATTEMPTS_MAX) throw thrown;
        await pause(Math.random() * MODIFY_PAUSE_MILLISECONDS * attempt, this.#connection.closing);
        current = await this.fetch(key);
      }
    }
  }

  /**
   * ABORTED unless the key is still at `revision`. Its history goes with it, and the mark that it was deleted after an
   * hour: points in time come and go every few seconds, and a bucket that kept the keys of all that ever were would grow
   * for ever. Whoever was away for longer begins anew with what there is.
   */
  async delete(key: string, revision: number): Promise<void> {
    const what = `deletion of ${this.#where(key)}`;
    this.#connection.requireConnected(what);
    const marker = headers();
    marker.set('KV-Operation', 'PURGE');
    marker.set('Nats-Rollup', 'sub');
    try {
      const { seq } = await this.#connection.jetstream.publish(`$KV.${this.name}.${checkedKey(key)}`, '', {
        headers: marker,
        expect: { lastSubjectSequence: revision },
        timeout: WRITE_TIMEOUT_MILLISECONDS,
        ...(this.#watch.marksExpire && { ttl: `${this.#deletedSeconds}s` }),
      });
      this.#memory.remove(key, seq);
    } catch (thrown) {
      throw fromNats(thrown, what);
    }
  }

  /** Called after each change in memory; `entry` is null when the key is gone. Returns the way to end it. */
  onChange(listener: (key: string, entry: StateEntry<Value> | null) => void): () => void {
    return this.#memory.onChange(listener);
  }

  /** Resolves when memory holds this revision or a later one. */
  waitForRevision(revision: number, signal: AbortSignal): Promise<void> {
    return this.#memory.waitFor(() => this.#memory.revision >= revision, signal);
  }

  health(): Health {
    const failure = this.#watch.failure;
    return failure === null ? HEALTHY : unhealthy(`state ${this.name}: ${failure}`);
  }

  async close(): Promise<void> {
    await this.#watch.stop();
  }

  async #write(
    key: string,
    value: Value,
    write: (bucket: KV, payload: string) => Promise<number>,
  ): Promise<StateEntry<Value>> {
    const what = `write of ${this.#where(checkedKey(key))}`;
    const payload = encodeState(this.#codec, value);
    this.#connection.requireConnected(what);
    try {
      const revision = await write(this.#watch.bucket, payload);
      // What the others will read, not the caller's object, which the caller might change.
      const entry = { key, value: decodeState(this.#codec, payload, what), revision };
      this.#memory.put(entry);
      return entry;
    } catch (thrown) {
      if (isConflict(thrown)) this.#refresh(key);
      throw fromNats(thrown, what);
    }
  }

  /** After a lost race memory is known to be old: the winner's value is on its way, ask for it at once. */
  #refresh(key: string): void {
    this.fetch(key).then(
      (entry) => entry !== null && this.#memory.put(entry),
      (thrown: unknown) => this.#connection.logger.debug({ error: thrown }, 'state could not be refreshed'),
    );
  }

  async #fetchRaw(key: string): Promise<KvEntry | null> {
    const what = `read of ${this.#where(checkedKey(key))}`;
    this.#connection.requireConnected(what);
    try {
      return await this.#watch.bucket.get(key);
    } catch (thrown) {
      throw fromNats(thrown, what);
    }
  }

  #decode(key: string, entry: KvEntry): StateEntry<Value> {
    return { key, value: decodeState(this.#codec, entry.string(), this.#where(key)), revision: entry.revision };
  }

  #where(key: string): string {
    return `state ${this.name}/${key}`;
  }
}

function checkedKey(key: string): string {
  if (KEY_PATTERN.test(key)) return key;
  throw new LmsError('INVALID_ARGUMENT', `${JSON.stringify(key)} cannot be a key of state`, {
    action: 'Use letters, digits, and _ = - in parts joined by dots.',
  });
}
