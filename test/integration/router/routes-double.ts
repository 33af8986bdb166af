/** A staging-controller that tells the routes that the test gives it, and can go away and come back. */
import { LmsError } from '@lms/errors';
import { StagingService, type Route, type WatchRoutesResponse } from '@lms/proto';
import { RpcServer, type TlsMaterial } from '@lms/rpc';
import { HEALTHY } from '@lms/service';

/** As many as fit are in one part; here two, so that a first picture has several. */
const ROUTES_IN_A_PART = 2;

export class RoutesDouble {
  readonly #tls: TlsMaterial;
  readonly #routes = new Map<string, Route>();
  readonly #partSize: number;
  #changes: WatchRoutesResponse[] = [];
  #changed = Promise.withResolvers<void>();
  #server: RpcServer | null = null;
  #listen = '127.0.0.1:0';

  constructor(tls: TlsMaterial, partSize = ROUTES_IN_A_PART) {
    this.#tls = tls;
    this.#partSize = partSize;
  }

  get address(): string {
    return this.#listen;
  }

  async start(): Promise<void> {
    const unused = () => Promise.reject(new LmsError('UNSUPPORTED', 'no router asks this'));
    const component = 'staging-controller';
    this.#server = new RpcServer({ component, listen: this.#listen, tls: this.#tls, health: () => HEALTHY });
    this.#server.serve(StagingService, {
      watchAssignments: unused,
      reportReady: unused,
      getEndpoint: unused,
      getBlockStreamWays: unused,
      describeNetwork: unused,
      getInitiation: unused,
      getServingServer: unused,
      listReadyServers: unused,
      removeStaging: unused,
      listStagingObjects: async function* () {
        yield { objects: [] };
      },
      watchRoutes: (_request, { signal }) => this.#watch(signal),
    });
    await this.#server.start();
    this.#listen = this.#server.address;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }

  set(...routes: readonly Route[]): void {
    for (const route of routes) this.#routes.set(route.machineId, route);
    this.#tell({ routes: [...routes], removedMachineIds: [], complete: true });
  }

  remove(machineId: string): void {
    this.#routes.delete(machineId);
    this.#tell({ routes: [], removedMachineIds: [machineId], complete: true });
  }

  #tell(change: WatchRoutesResponse): void {
    this.#changes.push(change);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<WatchRoutesResponse> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    let told = this.#changes.length;
    const all = [...this.#routes.values()];
    for (let at = 0; at < all.length; at += this.#partSize) {
      yield { routes: all.slice(at, at + this.#partSize), removedMachineIds: [], complete: false };
    }
    yield { routes: [], removedMachineIds: [], complete: true };
    while (!signal.aborted) {
      const { promise } = this.#changed;
      for (; told < this.#changes.length; told += 1) {
        const change = this.#changes[told];
        if (change !== undefined) yield change;
      }
      await Promise.race([promise, stopped]);
    }
  }
}
