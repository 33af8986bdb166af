import type { NetworkAnswer } from '@lms/api';
import { formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function networkPortsResult(network: NetworkAnswer): Result {
  return {
    value: network,
    names: () => network.ports.map(({ client, direction, peer }) => `${client} ${direction} ${peer}`),
    table: () =>
      [
        formatFields([
          ['manager and console', network.managerUrl],
          ['staging area by', network.stagingProxyUrl ?? 'no proxy'],
          ['driver', network.driver],
        ]),
        '',
        formatTable(['CLIENT', 'DIRECTION', 'PORT', 'PEER', 'ADDRESS', 'WAY', 'WHAT'], network.ports.map(portRow)),
        '',
        cloudText(network),
      ].join('\n'),
  };
}

function portRow(row: NetworkAnswer['ports'][number]): readonly string[] {
  const { client, direction, protocols, ports, portIsOf, peer, addresses, routes, what } = row;
  const port = ports.length === 0 ? `that of ${portIsOf}` : ports.join(', ');
  const words = protocols.map((protocol) => protocol.toUpperCase()).join('+');
  return [client, direction, `${words} ${port}`, peer, addresses.join(', '), routes.join(', '), what.join('; ')];
}

function cloudText({ clouds, driver }: NetworkAnswer): string {
  const needed = clouds.filter((cloud) => cloud.needed);
  if (needed.length === 0) return `Addresses of clouds: none is needed by the driver ${driver}.`;
  return formatTable(
    ['CLOUD', 'ADDRESS', 'FROM', 'FOR WHAT'],
    needed.map(({ provider, host, port, from, purpose }) => [provider, `${host}:${port}`, from, purpose]),
  );
}
