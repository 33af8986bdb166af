/** The few calls that this controller makes, all in one namespace. Writes are held back by the limiter, reads are not. */
import { LmsError } from '@lms/errors';
import { ApiFailure, isApiFailure } from './api-failure.ts';
import type { ApiConnection, Query } from './connection.ts';
import { FIELD_MANAGER } from './names.ts';
import type { RequestLimiter } from './request-limiter.ts';
import { pathOf, type ApiObject, type Manifest, type Resource } from './resource.ts';

const PAGE_SIZE = 500;
/**
 * The server ends a watch after this, and the next goes on where it ended: before its silence would count as death, since
 * of events there are no bookmarks (the API server keeps no cache of them).
 */
const WATCH_SECONDS = 120;

export interface ListPage {
  readonly items: readonly ApiObject[];
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: ApiObject;
}

/** What of a kind is looked at; empty: all. */
export interface Selection {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export class KubernetesApi {
  readonly namespace: string;
  readonly #connection: ApiConnection;
  readonly #limiter: RequestLimiter;
  #writes = 0;

  constructor(connection: ApiConnection, limiter: RequestLimiter, namespace: string) {
    this.#connection = connection;
    this.#limiter = limiter;
    this.namespace = namespace;
  }

  /** Objects written and deleted through this client since it was made. */
  get writes(): number {
    return this.#writes;
  }

  /** What the server says of itself: which groups, versions and kinds it has. */
  describe(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#connection.send({ method: 'GET', path, signal });
  }

  /** Page by page. */
  async *list(resource: Resource, selection: Selection, signal: AbortSignal): AsyncGenerator<ListPage> {
    let token = '';
    do {
      const query = { ...queryOf(selection), limit: String(PAGE_SIZE), ...(token !== '' && { continue: token }) };
      const path = pathOf(resource, this.namespace);
      const page = (await this.#connection.send({ method: 'GET', path, query, signal })) as {
        items?: ApiObject[];
        metadata?: { resourceVersion?: string; continue?: string };
      };
      token = page.metadata?.continue ?? '';
      yield { items: page.items ?? [], resourceVersion: page.metadata?.resourceVersion ?? '' };
    } while (token !== '');
  }

  /** What happened since that version; ends after some minutes. Rejects with status 410 when that is too long ago. */
  async *watch(
    resource: Resource,
    selection: Selection,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const query = {
      ...queryOf(selection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion,
    };
    const path = pathOf(resource, this.namespace);
    for await (const line of this.#connection.stream({ method: 'GET', path, query, signal })) {
      const event = JSON.parse(line) as WatchEvent;
      if (event.type === 'ERROR') {
        const { code = 500 } = event.object as { code?: number };
        throw new ApiFailure(`watch of ${resource.plural}`, code, JSON.stringify(event.object));
      }
      yield event;
    }
  }

  /** Makes it so: all fields in the manifest are ours, whoever set them before. */
  apply(resource: Resource, manifest: Manifest, signal: AbortSignal): Promise<ApiObject> {
    return this.#write(signal, async () => {
      const answer = await this.#connection.send({
        method: 'PATCH',
        path: pathOf(resource, this.namespace, manifest.metadata.name),
        query: { fieldManager: FIELD_MANAGER, force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body: manifest,
        signal,
      });
      return answer as ApiObject;
    });
  }

  /** Only that very object; one that is gone already is fine. */
  async delete(resource: Resource, name: string, uid: string, signal: AbortSignal): Promise<void> {
    await this.#write(signal, async () => {
      try {
        await this.#connection.send({
          method: 'DELETE',
          path: pathOf(resource, this.namespace, name),
          body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions: { uid } },
          signal,
        });
      } catch (thrown) {
        // 409: another object has its name now, and that one is not meant.
        if (!isApiFailure(thrown, 404) && !isApiFailure(thrown, 409)) throw thrown;
      }
    });
  }

  /** Null when there is none. Never held back. */
  async read(resource: Resource, name: string, signal: AbortSignal, timeoutMilliseconds: number): Promise<unknown> {
    const path = pathOf(resource, this.namespace, name);
    try {
      return await this.#connection.send({ method: 'GET', path, signal, timeoutMilliseconds });
    } catch (thrown) {
      if (isApiFailure(thrown, 404)) return null;
      throw thrown;
    }
  }

  /** ABORTED or ALREADY_EXISTS when somebody was faster. Never held back: it renews the lease. */
  put(resource: Resource, body: Manifest, signal: AbortSignal, timeoutMilliseconds: number): Promise<unknown> {
    const isNew = !('resourceVersion' in body.metadata);
    const path = pathOf(resource, this.namespace, isNew ? undefined : body.metadata.name);
    const query: Query = { fieldManager: FIELD_MANAGER };
    return this.#connection.send({ method: isNew ? 'POST' : 'PUT', path, query, body, signal, timeoutMilliseconds });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #write<Answer>(signal: AbortSignal, send: () => Promise<Answer>): Promise<Answer> {
    await this.#limiter.wait(signal);
    this.#writes += 1;
    try {
      return await send();
    } catch (thrown) {
      if (thrown instanceof ApiFailure && thrown.retryAfterSeconds > 0) {
        this.#limiter.closeFor(thrown.retryAfterSeconds * 1_000);
      }
      throw thrown;
    }
  }
}

function queryOf({ labelSelector, fieldSelector }: Selection): Query {
  return {
    ...(labelSelector !== undefined && { labelSelector }),
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
}

/** Without a name an object cannot be spoken of. */
export function nameOf(object: ApiObject): string {
  const name = object.metadata?.name;
  if (name === undefined) throw new LmsError('INTERNAL', 'the API server told of an object without a name');
  return name;
}
