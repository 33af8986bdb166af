/**
 * The program beside HAProxy: follows the routes, and keeps HAProxy on them.
 *
 * Failure: without staging-controller the routes of before stay, and after some seconds their addresses are no longer
 * relied on: HAProxy asks DNS, where a replication server that was started anew is found too. Replication goes on without
 * the manager. Without HAProxy the files are kept up to date, and its next process begins with them.
 */
import { mkdir } from 'node:fs/promises';
import { toLmsError } from '@lms/errors';
import { StagingService } from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import { BackOff, HEALTHY, pause, unhealthy, type Health, type Service } from '@lms/service';
import { createLogger } from '@lms/telemetry';
import type { RouterConfiguration } from './config.ts';
import { Haproxy } from './haproxy.ts';
import { RouteTable } from './route-table.ts';

/** How soon it is noticed that HAProxy was started anew; changes of routes are told at once. */
const CHECK_MILLISECONDS = 1_000;
/** A controller that is started anew is back within this; its pods have not moved meanwhile. */
const TRUST_MILLISECONDS = 15_000;
const RETRY_LIMITS = { firstMilliseconds: 200, longestMilliseconds: 5_000 };

export interface RouterOptions extends RouterConfiguration {
  /** How long addresses are relied on without staging-controller. Default 15 s. */
  readonly trustMilliseconds?: number;
}

export function createRouterService(options: RouterOptions): Service {
  return new Router(options);
}

class Router implements Service {
  readonly name = 'router';
  readonly #options: RouterOptions;
  readonly #logger = createLogger('router');
  readonly #stopping = new AbortController();
  #staging: RpcClient<typeof StagingService> | null = null;
  #loops: readonly Promise<void>[] = [];
  #changed = Promise.withResolvers<void>();
  #problem: string | null = 'not started';
  #knowsRoutes = false;
  /** When the stream of routes was lost; null while there is one and it is whole. */
  #lostAt: number | null = -Infinity;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Old routes are better than none: that staging-controller is away is no reason to be sent no connections. */
  health(): Health {
    if (this.#problem !== null) return unhealthy(this.#problem);
    return this.#knowsRoutes ? HEALTHY : unhealthy('the routes are not known yet');
  }

  async start(): Promise<void> {
    const { stagingAddress, tls, stateDirectory, clusterDomain } = this.#options;
    await mkdir(stateDirectory, { recursive: true });
    const haproxy = new Haproxy(stateDirectory);
    const saved = await haproxy.savedRoutes();
    this.#knowsRoutes = saved !== null && saved.size > 0;
    const table = new RouteTable(clusterDomain, saved ?? new Map());
    await haproxy.save({ routes: table.entries, observed: false });
    this.#staging = createRpcClient(StagingService, {
      address: stagingAddress,
      component: 'staging-controller',
      tls,
    });
    this.#problem = 'HAProxy was not reached yet';
    this.#loops = [this.#follow(this.#staging, table), this.#keep(haproxy, table)];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
    this.#staging?.close();
    this.#staging = null;
    this.#problem = 'stopped';
  }

  async #follow(staging: RpcClient<typeof StagingService>, table: RouteTable): Promise<void> {
    const { signal } = this.#stopping;
    const backOff = new BackOff(RETRY_LIMITS);
    do {
      try {
        table.begin();
        for await (const answer of staging.watchRoutes({}, { signal })) {
          const { refused, complete } = table.take(answer);
          if (refused.length > 0) this.#logger.warn({ machineIds: refused }, 'routes that are none were left out');
          if (!complete) continue;
          if (this.#lostAt !== null) this.#logger.info({ routes: table.entries.size }, 'the routes are known');
          this.#lostAt = null;
          this.#knowsRoutes = true;
          backOff.succeeded();
          this.#wake();
        }
      } catch (thrown) {
        const { code, message } = toLmsError(thrown);
        if (!signal.aborted) this.#logger.warn({ code }, `the routes cannot be followed: ${message}`);
      }
      this.#lostAt ??= performance.now();
    } while (await pause(backOff.failed(), signal));
  }

  async #keep(haproxy: Haproxy, table: RouteTable): Promise<void> {
    const { signal } = this.#stopping;
    do {
      this.#changed = Promise.withResolvers<void>();
      const wanted = { routes: table.entries, observed: this.#isObserved() };
      try {
        await haproxy.save(wanted);
      } catch (thrown) {
        this.#logger.error({ error: thrown }, 'the routes were not saved');
      }
      const failure = await haproxy.apply(wanted);
      if ((failure?.message ?? null) !== this.#problem) this.#report(failure?.message ?? null);
    } while (await this.#nextTurn(signal));
  }

  /** False when it stops. */
  async #nextTurn(signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const elapsed = pause(CHECK_MILLISECONDS, AbortSignal.any([signal, over.signal]));
    await Promise.race([elapsed, this.#changed.promise]);
    over.abort();
    return !signal.aborted;
  }

  #wake(): void {
    this.#changed.resolve();
  }

  #isObserved(): boolean {
    const trust = this.#options.trustMilliseconds ?? TRUST_MILLISECONDS;
    return this.#lostAt === null || performance.now() - this.#lostAt < trust;
  }

  #report(problem: string | null): void {
    this.#problem = problem;
    if (problem === null) this.#logger.info('HAProxy holds the routes');
    else this.#logger.warn(`HAProxy does not hold the routes: ${problem}`);
  }
}
