/**
 * All objects of one kind, in memory: one list, then one watch, whatever their number. Of each object only what is needed
 * is kept, so that ten thousand machines cost some megabytes and no gigabyte.
 *
 * A watch that ends goes on from the last version seen (bookmarks keep that fresh), so a reconnect costs no list. Only
 * when the server has forgotten that version everything is listed again; what vanished meanwhile is told as gone.
 */
import { toLmsError, type LmsError } from '@lms/errors';
import { BackOff, HEALTHY, pause, unhealthy, type Health } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { nameOf, type KubernetesApi, type Selection } from './api.ts';
import { adviceFor, isApiFailure } from './api-failure.ts';
import type { ApiObject, Resource } from './resource.ts';

const RETRY_LIMITS = { firstMilliseconds: 250, longestMilliseconds: 15_000 };

export interface WatchedKindOptions<Kept> {
  readonly api: KubernetesApi;
  readonly resource: Resource;
  readonly selection: Selection;
  /** What is remembered of it; null: it is none of ours. */
  readonly keep: (object: ApiObject) => Kept | null;
  /** Null: there was none before, or is none now. `ours`: we have just written it. */
  readonly onChange: (after: Kept | null, before: Kept | null, ours: boolean) => void;
  readonly logger: Logger;
}

export class WatchedKind<Kept> {
  readonly #options: WatchedKindOptions<Kept>;
  readonly #objects = new Map<string, Kept>();
  #resourceVersion: string | null = null;
  #synced = false;
  #failure: string | null = null;

  constructor(options: WatchedKindOptions<Kept>) {
    this.#options = options;
  }

  /** Whether it has been listed once. */
  get synced(): boolean {
    return this.#synced;
  }

  get kind(): string {
    return this.#options.resource.kind;
  }

  /** What an answer of the server showed before the watch does: the next look must not act on what was before. */
  put(object: ApiObject): void {
    const kept = this.#options.keep(object);
    if (kept !== null) this.#set(nameOf(object), kept, true);
  }

  health(): Health {
    if (this.#failure !== null) return unhealthy(this.#failure);
    return this.#synced ? HEALTHY : unhealthy(`${this.#options.resource.plural} are not listed yet`);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const backOff = new BackOff(RETRY_LIMITS);
    let said = '';
    while (!signal.aborted) {
      try {
        this.#resourceVersion ??= await this.#list(signal);
        this.#failure = null;
        await this.#watch(this.#resourceVersion, signal);
        backOff.succeeded();
        said = '';
      } catch (thrown) {
        if (signal.aborted) return;
        if (isApiFailure(thrown, 410)) {
          this.#resourceVersion = null;
          continue;
        }
        this.#failure = this.#explain(toLmsError(thrown));
        if (this.#failure !== said) logger.warn({ code: toLmsError(thrown).code }, this.#failure);
        said = this.#failure;
        await pause(backOff.failed(), signal);
      }
    }
  }

  #explain(error: LmsError): string {
    const { kind, apiVersion, plural } = this.#options.resource;
    // A name is not asked for: it is the kind that is not there.
    if (isApiFailure(error, 404)) {
      return `${plural} are not watched: this cluster has no ${kind} of ${apiVersion}. Install its CustomResourceDefinition (Gateway API), or set another replication.exposure.mode in the values of the chart`;
    }
    return `${plural} are not watched: ${error.message}${adviceFor(error, `get, list and watch of ${plural}`)}`;
  }

  /** Returns the version that the list is of. */
  async #list(signal: AbortSignal): Promise<string> {
    const { api, resource, selection, keep } = this.#options;
    const seen = new Set<string>();
    let version = '';
    for await (const page of api.list(resource, selection, signal)) {
      version = page.resourceVersion;
      for (const object of page.items) {
        const kept = keep(object);
        if (kept === null) continue;
        seen.add(nameOf(object));
        this.#set(nameOf(object), kept);
      }
    }
    for (const name of this.#objects.keys()) if (!seen.has(name)) this.#remove(name);
    this.#synced = true;
    return version;
  }

  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { api, resource, selection, keep } = this.#options;
    for await (const { type, object } of api.watch(resource, selection, from, signal)) {
      this.#resourceVersion = object.metadata?.resourceVersion ?? this.#resourceVersion;
      if (type === 'BOOKMARK') continue;
      const kept = type === 'DELETED' ? null : keep(object);
      if (kept === null) this.#remove(nameOf(object));
      else this.#set(nameOf(object), kept);
    }
  }

  #set(name: string, kept: Kept, ours = false): void {
    const before = this.#objects.get(name) ?? null;
    this.#objects.set(name, kept);
    this.#options.onChange(kept, before, ours);
  }

  #remove(name: string): void {
    const before = this.#objects.get(name);
    if (before === undefined) return;
    this.#objects.delete(name);
    this.#options.onChange(null, before, false);
  }
}
