/** The port table with the ports and addresses of one installation in it. */
import type { Driver } from './drivers.ts';
import type { Party } from './flows.ts';
import { portRows, type PortRow } from './port-table.ts';
import { PROVIDER_ENDPOINTS, type ProviderEndpoint } from './provider-endpoints.ts';
import type { InstallationNetwork } from './rules/model.ts';
import { endpointOf } from './rules/situation.ts';

export interface InstallationPort extends Omit<PortRow, 'port'> {
  /** More than one: by the address that is taken. Empty: only whoever sets up the client knows. */
  readonly ports: readonly number[];
  /** Egress: where to, as names or IP addresses; empty where only others know. */
  readonly addresses: readonly string[];
}

export function installationPorts(installation: InstallationNetwork): readonly InstallationPort[] {
  const manager = endpointOf(installation.managerUrl);
  const proxy = installation.stagingProxyUrl === null ? null : endpointOf(installation.stagingProxyUrl);
  const { blockStream, driver } = installation;
  const reached: Readonly<
    Partial<Record<Party, { readonly ports: readonly number[]; readonly addresses: readonly string[] }>>
  > = {
    manager: { ports: [manager.port], addresses: [manager.host] },
    'replication-server': {
      ports: [...new Set(blockStream.map(({ port }) => port))],
      addresses: [...new Set(blockStream.map(({ host }) => host))],
    },
    // What agents go by, their own settings say.
    proxy: { ports: proxy === null ? [] : [proxy.port], addresses: proxy === null ? [] : [proxy.host] },
  };
  return portRows()
    .filter(({ neededBy }) => neededBy.includes(driver))
    .map(({ port, ...row }) => {
      const end = reached[row.direction === 'egress' ? row.peer : row.client];
      const ownProxy = [row.client, row.peer].includes('agent') && [row.client, row.peer].includes('proxy');
      if (end === undefined || ownProxy) return { ...row, ports: port === null ? [] : [port], addresses: [] };
      return { ...row, ports: end.ports, addresses: row.direction === 'egress' ? end.addresses : [] };
    });
}

export interface CloudAddress extends Omit<ProviderEndpoint, 'neededBy'> {
  readonly needed: boolean;
}

export function cloudAddresses(driver: Driver): readonly CloudAddress[] {
  return PROVIDER_ENDPOINTS.map(({ neededBy, ...endpoint }) => ({ ...endpoint, needed: neededBy.includes(driver) }));
}
