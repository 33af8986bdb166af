/** Where the block stream of a machine is reached, from outside and from the router. Pure. */
import { BLOCK_STREAM_PORT } from '@lms/network';
import type { Route } from '@lms/proto';
import type { Endpoint, FoundWays } from '../block-stream-ways.ts';
import type { KeptService } from './kept.ts';
import { addressServiceName, objectName, type AddressKind } from './names.ts';
import type { ObservedMachine } from './plan-machine.ts';
import type { KubernetesSettings } from './settings.ts';

/** What agents connect to, as far as there are addresses. */
export function waysOf(
  settings: KubernetesSettings,
  machineId: string,
  { services }: Pick<ObservedMachine, 'services'>,
): FoundWays {
  const { exposure } = settings;
  const find = (kind: AddressKind): KeptService | undefined =>
    services.find(({ name }) => name === addressServiceName(settings, machineId, kind));
  const wayOf = (kind: AddressKind): Endpoint | null => {
    switch (exposure.mode) {
      case 'router':
      case 'tlsroute':
        return exposure.advertise[kind];
      case 'nodePort': {
        const address = exposure.advertise[kind];
        const port = find('public')?.nodePort ?? null;
        return address === null || port === null ? null : { host: address.host, port };
      }
      case 'loadBalancer': {
        const host = exposure[kind] === null ? null : (find(kind)?.externalHost ?? null);
        return host === null ? null : { host, port: BLOCK_STREAM_PORT };
      }
    }
  };
  return { public: wayOf('public'), private: wayOf('private'), prefer: exposure.prefer };
}

/** Null: there is no Service to send anybody to. */
export function routeOf(
  settings: KubernetesSettings,
  machineId: string,
  { services, pod }: ObservedMachine,
): Route | null {
  const name = objectName(settings, machineId);
  if (!services.some((service) => service.name === name && !service.deleting)) return null;
  const address = pod !== null && pod.ready && !pod.deleting ? pod.address : '';
  return { machineId, host: `${name}.${settings.namespace}.svc`, port: BLOCK_STREAM_PORT, address };
}
