/**
 * HAProxy, kept on what is wanted, whichever of the two processes is started anew.
 *
 * Situation: HAProxy reads its maps from files at its start, and is told changes from then on; it may die at any time, and
 * so may this program. Mechanism: files first, then the running process; and a mark that is put into the running process
 * alone, once it holds everything. As long as the mark is there, only differences are told; when it is gone, HAProxy is
 * another process, or was told by another one of us, and its maps are looked at before anything is told.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { toLmsError, type LmsError } from '@lms/errors';
import { HaproxyMap } from './haproxy-map.ts';
import { readMapFile, writeMapFile } from './map-file.ts';
import type { RouteEntries } from './route-table.ts';
import { runtimeApi } from './runtime-api.ts';

export interface WantedState {
  /** Another object when they are others; it does not change itself. */
  readonly routes: RouteEntries;
  /** False: the addresses may be old, and DNS is asked. */
  readonly observed: boolean;
}

const MARK = 'kept-by';

export class Haproxy {
  readonly #routesFile: string;
  readonly #stateFile: string;
  readonly #routes: HaproxyMap;
  readonly #state: HaproxyMap;
  readonly #mark = randomUUID();
  #saved: WantedState | null = null;
  #applied: WantedState | null = null;

  constructor(stateDirectory: string) {
    const api = runtimeApi(join(stateDirectory, 'haproxy.sock'));
    this.#routesFile = join(stateDirectory, 'routes.map');
    this.#stateFile = join(stateDirectory, 'state.map');
    this.#routes = new HaproxyMap(api, this.#routesFile);
    this.#state = new HaproxyMap(api, this.#stateFile);
  }

  /** Null: there were none. */
  savedRoutes(): Promise<RouteEntries | null> {
    return readMapFile(this.#routesFile);
  }

  /** So that HAProxy can start, and starts with this. */
  async save(wanted: WantedState): Promise<void> {
    if (this.#saved?.observed !== wanted.observed) await writeMapFile(this.#stateFile, stateOf(wanted));
    if (this.#saved?.routes !== wanted.routes) await writeMapFile(this.#routesFile, wanted.routes);
    this.#saved = wanted;
  }

  /** Null when the running HAProxy holds what is wanted. */
  async apply(wanted: WantedState): Promise<LmsError | null> {
    try {
      const isMarked = (await this.#state.read()).get(MARK) === this.#mark;
      if (isMarked && this.#applied?.routes === wanted.routes && this.#applied.observed === wanted.observed)
        return null;
      if (!isMarked) {
        this.#routes.forget();
        this.#state.forget();
      }
      await this.#routes.apply(wanted.routes);
      await this.#state.apply(new Map([...stateOf(wanted), [MARK, this.#mark]]));
      this.#applied = wanted;
      return null;
    } catch (thrown) {
      return toLmsError(thrown);
    }
  }
}

function stateOf({ observed }: WantedState): ReadonlyMap<string, string> {
  return new Map([['addresses', observed ? 'observed' : 'resolve']]);
}
