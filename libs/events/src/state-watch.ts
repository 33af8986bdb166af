/**
 * The one watch of a state bucket. It is begun anew after each reconnect and each failure, with all that the bucket
 * holds, and memory is brought to exactly that: a watch that was cut off may have missed anything.
 *
 * Special case: JetStream was lost and the bucket is new. Its revisions begin at 1 again, so memory starts from nothing
 * too; whoever filled the bucket fills it again (control-plane: agents and replication servers re-register).
 */
import { Kvm, type KV, type KvWatchEntry } from '@nats-io/kv';
import { StorageType } from '@nats-io/jetstream';
import { LmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { EventConnection } from './connection.ts';
import { fromNats } from './failure.ts';
import { decodeState, type StateCodec } from './state-codec.ts';
import type { StateEntry, StateMemory } from './state-memory.ts';

/** For people who look for what went wrong: the last five values of each key. */
const HISTORY = 5;
/** nats-server's own limit of a message, less what headers need. */
const VALUE_BYTES_MAX = 1024 * 1024 - 16 * 1024;
const RESTART_LIMITS = { firstMilliseconds: 100, longestMilliseconds: 5_000 };

export class StateWatch<Value> {
  readonly #connection: EventConnection;
  readonly #name: string;
  readonly #codec: StateCodec<Value>;
  readonly #memory: StateMemory<Value>;
  readonly #stopping = new AbortController();
  readonly #firstSync = Promise.withResolvers<void>();
  readonly #unreadable = new Set<string>();
  #bucket: KV | null = null;
  #createdAt: string | null = null;
  #running: Promise<void> = Promise.resolve();
  #interrupted: string | null = null;
  #marksExpire = false;

  constructor(
    connection: EventConnection,
    options: { readonly name: string; readonly codec: StateCodec<Value> },
    memory: StateMemory<Value>,
  ) {
    this.#connection = connection;
    this.#name = options.name;
    this.#codec = options.codec;
    this.#memory = memory;
  }

  get bucket(): KV {
    if (this.#bucket === null) throw new LmsError('UNAVAILABLE', `state ${this.#name} is not open`);
    return this.#bucket;
  }

  /** Whether the mark that a key was deleted may say when it goes. */
  get marksExpire(): boolean {
    return this.#marksExpire;
  }

  /** Null while memory follows the bucket and every value in it can be read. */
  get failure(): string | null {
    if (this.#interrupted !== null) return this.#interrupted;
    const [unreadable] = this.#unreadable;
    return unreadable === undefined ? null : `the value of ${unreadable} cannot be read`;
  }

  /** Resolves when memory holds all. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#running = this.#run();
    const giveUp = (): void => {
      this.#stopping.abort();
      this.#firstSync.reject(signal.reason as Error);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    await this.#firstSync.promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backOff = new BackOff(RESTART_LIMITS);
    const stopping = AbortSignal.any([this.#stopping.signal, this.#connection.closing]);
    while (!stopping.aborted) {
      const restart = new AbortController();
      const forget = this.#connection.onReconnect(() => restart.abort());
      try {
        await this.#follow(AbortSignal.any([stopping, restart.signal]), backOff);
        this.#interrupted = 'its watch was interrupted';
      } catch (thrown) {
        const error = fromNats(thrown, `watch of state ${this.#name}`);
        this.#interrupted = error.message;
        this.#connection.logger.warn({ code: error.code }, error.message);
      } finally {
        forget();
      }
      if (!restart.signal.aborted) await pause(backOff.failed(), stopping);
    }
  }

  /** Returns when the watch ended or `until` is aborted. */
  async #follow(until: AbortSignal, backOff: BackOff): Promise<void> {
    const bucket = await new Kvm(this.#connection.jetstream).create(this.#name, {
      history: HISTORY,
      storage: StorageType.File,
      maxValueSize: VALUE_BYTES_MAX,
      replicas: this.#connection.replicas,
    });
    const { streamInfo } = await bucket.status();
    const isNew = this.#createdAt !== null && this.#createdAt !== streamInfo.created;
    this.#marksExpire =
      streamInfo.config.allow_msg_ttl === true || (await this.#letMarksExpire(streamInfo.config.name));
    this.#bucket = bucket;
    this.#createdAt = streamInfo.created;
    const watch = await bucket.watch();
    const stop = (): void => watch.stop();
    until.addEventListener('abort', stop, { once: true });
    if (until.aborted) stop();
    this.#unreadable.clear();
    let initial: Map<string, StateEntry<Value>> | null = new Map();
    const completed = (revision: number): void => {
      if (initial !== null) this.#memory.replace(initial, revision, isNew);
      initial = null;
      this.#interrupted = null;
      backOff.succeeded();
      this.#firstSync.resolve();
    };
    try {
      if (streamInfo.state.messages === 0) completed(streamInfo.state.last_seq);
      for await (const entry of watch) {
        if (until.aborted) break;
        if (initial === null) this.#apply(entry);
        else {
          this.#collect(initial, entry);
          // Zero when it is the last that the bucket holds. What was written last may be gone again (the mark of a deletion).
          if (entry.delta === 0) completed(Math.max(entry.revision, streamInfo.state.last_seq));
        }
      }
    } finally {
      until.removeEventListener('abort', stop);
      watch.stop();
    }
  }

  /** The client makes buckets without it, and older releases did. Where it is refused, marks stay, which costs room alone. */
  async #letMarksExpire(stream: string): Promise<boolean> {
    try {
      await this.#connection.manager.streams.update(stream, { allow_msg_ttl: true });
      return true;
    } catch (thrown) {
      this.#connection.logger.warn({ error: thrown }, `marks of deletions in state ${this.#name} do not expire`);
      return false;
    }
  }

  #collect(into: Map<string, StateEntry<Value>>, entry: KvWatchEntry): void {
    const decoded = entry.operation === 'PUT' ? this.#decode(entry) : null;
    if (decoded !== null) into.set(entry.key, decoded);
  }

  #apply(entry: KvWatchEntry): void {
    if (entry.operation === 'PUT') {
      const decoded = this.#decode(entry);
      if (decoded !== null) this.#memory.put(decoded);
    } else {
      this.#unreadable.delete(entry.key);
      this.#memory.remove(entry.key, entry.revision);
    }
    this.#memory.settle(entry.revision);
  }

  /** One value that cannot be read must not take all others down with it: it is left out, and health says so. */
  #decode(entry: KvWatchEntry): StateEntry<Value> | null {
    try {
      const value = decodeState(this.#codec, entry.string(), `state ${this.#name}/${entry.key}`);
      this.#unreadable.delete(entry.key);
      return { key: entry.key, value, revision: entry.revision };
    } catch (thrown) {
      this.#unreadable.add(entry.key);
      this.#connection.logger.error({ error: thrown, key: entry.key }, `a value of state ${this.#name} cannot be read`);
      return null;
    }
  }
}
