/** Where everybody in this installation is reached: one answer, from which firewalls are set up and pages are written. */
import { NetworkAnswer, type NetworkAddress } from '@lms/api';
import { LmsError } from '@lms/errors';
import { cloudAddresses, installationPorts, type Driver } from '@lms/network';
import { StagingPlace, type NetworkAddress as ProtoAddress } from '@lms/proto';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { addressKindWords } from '../translation/words.ts';
import type { RouteContext } from './route-context.ts';

export function addNetworkRoute(application: Application, { clients, managerUrl }: RouteContext): void {
  application.get(
    '/v1/network',
    {
      config: { access: 'operator' },
      schema: { summary: 'Ports and addresses of this installation', response: answers(NetworkAnswer) },
    },
    async () => {
      const { settings, effectiveDefaults } = await clients.registry.getSettings({});
      const described = await clients.staging.describeNetwork({ settings: effectiveDefaults?.blockStream });
      const installation = {
        driver: driverOf(described.place),
        managerUrl: managerUrl(),
        blockStream: described.addresses.map(addressAnswer),
        stagingProxyUrl: settings?.stagingProxy?.url ?? null,
      };
      const machines = described.machines.map(({ machineId, addresses }) => {
        return { id: machineId, blockStream: addresses.map(addressAnswer) };
      });
      // Ports of all: a firewall in front of several machines lets through what each of them needs.
      const all = [...installation.blockStream, ...machines.flatMap(({ blockStream }) => blockStream)];
      return NetworkAnswer.parse({
        ...installation,
        consoleUrl: installation.managerUrl,
        machines,
        ports: installationPorts({ ...installation, blockStream: all }),
        clouds: cloudAddresses(installation.driver),
      });
    },
  );
}

function driverOf(place: StagingPlace): Driver {
  if (place === StagingPlace.HOST) return 'host';
  if (place === StagingPlace.KUBERNETES) return 'kubernetes';
  throw new LmsError(
    'INTERNAL',
    `staging-controller runs replication servers at a place ${place}, which is not known here`,
  );
}

function addressAnswer({ kind, host, port }: ProtoAddress): NetworkAddress {
  return { kind: addressKindWords.requireRest(kind), host, port };
}
