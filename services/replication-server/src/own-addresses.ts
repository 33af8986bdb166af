/** IP addresses of this host's interfaces, others' loopback aside: one that agents are told and that was here once has moved. */
import { networkInterfaces } from 'node:os';
import { MAXIMUM_INTERFACE_ADDRESSES } from '@lms/api';

export function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  // Link-local ones lead nowhere that an agent could be told.
  const useful = all.filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address);
  return [...new Set(useful)].sort().slice(0, MAXIMUM_INTERFACE_ADDRESSES);
}
