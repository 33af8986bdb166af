/**
 * The routes as staging-controller tells them, and as HAProxy's map has them.
 *
 * What comes is checked although it comes from a service of ours: one line break in a name would be another command to
 * HAProxy. A route that is not accepted is left out, which refuses its machine and no other.
 */
import { isIP } from 'node:net';
import { blockStreamServerName } from '@lms/identity';
import type { Route, WatchRoutesResponse } from '@lms/proto';

const MACHINE_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9][a-z0-9-]{0,62})*$/;

/** By server name; the values are `ADDRESS|PORT|HOST` (see haproxy.cfg). */
export type RouteEntries = ReadonlyMap<string, string>;

export interface TakenAnswer {
  /** Machines whose route is not accepted. */
  readonly refused: readonly string[];
  /** Whether `entries` have it: parts of a first picture are kept back until the last. */
  readonly complete: boolean;
}

export class RouteTable {
  readonly #clusterDomain: string;
  #entries: RouteEntries;
  /** The first picture of a stream, until it is whole; null: it is. */
  #picture: Map<string, string> | null = null;

  /** `entries`: of before the restart, or none. */
  constructor(clusterDomain: string, entries: RouteEntries) {
    this.#clusterDomain = clusterDomain;
    this.#entries = entries;
  }

  /** Another object after each change. */
  get entries(): RouteEntries {
    return this.#entries;
  }

  /** A new stream tells everything anew; until it has, what was known stays. */
  begin(): void {
    this.#picture = new Map();
  }

  take({ routes, removedMachineIds, complete }: WatchRoutesResponse): TakenAnswer {
    const refused: string[] = [];
    const target = this.#picture ?? new Map(this.#entries);
    for (const machineId of removedMachineIds) target.delete(blockStreamServerName(machineId));
    for (const route of routes) {
      const value = this.#valueOf(route);
      if (value === null) refused.push(route.machineId);
      else target.set(blockStreamServerName(route.machineId), value);
    }
    if (complete) {
      this.#entries = target;
      this.#picture = null;
    }
    return { refused, complete };
  }

  #valueOf({ machineId, host, port, address }: Route): string | null {
    const whole = host.endsWith('.svc') ? `${host}.${this.#clusterDomain}` : host;
    if (!MACHINE_ID.test(machineId) || !HOST_NAME.test(whole)) return null;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return null;
    if (address !== '' && isIP(address) === 0) return null;
    return `${address}|${port}|${whole}`;
  }
}
