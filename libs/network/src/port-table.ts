/** The flows as the table that people ask a firewall's owner with: one row for each end that has to let something through. */
import type { Driver } from './drivers.ts';
import { FLOWS, type AddressKind, type Flow, type Party, type Route, type Traffic } from './flows.ts';
import type { Protocol } from './ports.ts';

export type Direction = 'egress' | 'ingress';

export interface PortRow {
  readonly client: Party;
  readonly direction: Direction;
  readonly protocols: readonly Protocol[];
  /** null: decided by what `portIsOf` names. */
  readonly port: number | null;
  readonly portIsOf: string;
  readonly peer: Party;
  readonly traffic: Traffic;
  readonly routes: readonly Route[];
  readonly networks: readonly AddressKind[];
  readonly what: readonly string[];
  readonly neededBy: readonly Driver[];
}

/** Whose firewall nobody sets up for us. */
const NO_INGRESS: ReadonlySet<Party> = new Set(['resolver']);

export function portRows(flows: readonly Flow[] = FLOWS): readonly PortRow[] {
  return flows.flatMap((flow) => [rowOf(flow, 'egress'), ...(NO_INGRESS.has(flow.to) ? [] : [rowOf(flow, 'ingress')])]);
}

function rowOf(flow: Flow, direction: Direction): PortRow {
  const { protocols, port, portIsOf, traffic, routes, networks, what, neededBy } = flow;
  const [client, peer] = direction === 'egress' ? [flow.from, flow.to] : [flow.to, flow.from];
  return { client, direction, protocols, port, portIsOf, peer, traffic, routes, networks, what, neededBy };
}
