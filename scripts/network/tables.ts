// Tables of the pages, from the data of libs/network.

import { CLUSTER_FLOWS, FLOWS, PROVIDER_ENDPOINTS, type Flow, type Party } from '@lms/network';

const NAMES: Readonly<Record<Party, string>> = {
  agent: 'agent',
  'replication-server': 'replication server',
  manager: 'manager and console, which share one address',
  operator: 'operator (console, `lms`)',
  proxy: 'HTTP proxy',
  resolver: 'DNS resolver',
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** The page's own columns: each row is one way of connecting, and both of its ends have to let it through. */
export function portsTable(): string {
  return table(
    ['client', 'egress', 'ingress', 'traffic', 'way', 'network', 'what'],
    FLOWS.map((flow) => {
      const { from, to, traffic, routes, networks, what } = flow;
      const ingress = to === 'resolver' ? '' : `${NAMES[to]}: ${ports(flow)}`;
      return [NAMES[from], ports(flow), ingress, traffic, routes.join(', '), networks.join(', '), what.join('; ')];
    }),
  );
}

function ports({ protocols, port, portIsOf }: Flow): string {
  const names = protocols.map((protocol) => protocol.toUpperCase()).join(' and ');
  return `${names} ${port ?? `of ${portIsOf}`}`;
}

export function providerTable(): string {
  return table(
    ['cloud', 'address', 'who would connect', 'for what', '`host` driver', '`kubernetes` driver', 'why'],
    PROVIDER_ENDPOINTS.map(({ provider, host, port, from, purpose, neededBy, neededWhen, because }) => {
      const needed = (driver: 'host' | 'kubernetes'): string => {
        if (neededBy.includes(driver)) return 'needed';
        return neededWhen === null ? 'not needed by this driver' : 'not needed by this driver, except as said';
      };
      const why = neededWhen === null ? because : `${because}; needed only where ${neededWhen}`;
      return [provider, `\`${host}\` ${port}`, NAMES[from], purpose, needed('host'), needed('kubernetes'), why];
    }),
  );
}

export function clusterTable(): string {
  return table(
    ['from', 'to', 'port', 'what'],
    CLUSTER_FLOWS.map(({ from, to, ports: numbers, what }) => [from.join(', '), to, numbers.join(', '), what]),
  );
}
