/** Where the block stream of a machine is reached, from outside and from the router. Pure. */
import type { Route } from '@lms/proto';
import type { Endpoint } from '../driver.ts';
import { BLOCK_STREAM_PORT, objectName, publicServiceName } from './names.ts';
import type { ObservedMachine } from './plan-machine.ts';
import type { KubernetesSettings } from './settings.ts';

/** What agents connect to; null: there is no address yet. */
export function endpointOf(
  settings: KubernetesSettings,
  machineId: string,
  { services }: ObservedMachine,
): Endpoint | null {
  const { exposure } = settings;
  if (exposure.mode === 'router' || exposure.mode === 'tlsroute') return exposure.advertise;
  const service = services.find(({ name }) => name === publicServiceName(settings, machineId));
  if (service === undefined) return null;
  if (exposure.mode === 'nodePort') {
    return service.nodePort === null ? null : { host: exposure.advertise.host, port: service.nodePort };
  }
  return service.externalHost === null ? null : { host: service.externalHost, port: BLOCK_STREAM_PORT };
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
