/** Ports, addresses and firewall rules: what may be said to whom over the network, as data, and texts made of it. Pure. */
export { CLUSTER_FLOWS, POD_PORTS, type ClusterFlow } from './cluster/flows.ts';
export { DRIVERS, type Driver } from './drivers.ts';
export {
  ADDRESS_KINDS,
  FLOWS,
  flowNamed,
  PARTIES,
  ROUTES,
  type AddressKind,
  type Flow,
  type Party,
  type Route,
  type Traffic,
} from './flows.ts';
export { portRows, type Direction, type PortRow } from './port-table.ts';
export { BLOCK_STREAM_PORT, DNS_PORT, MANAGER_PORT, PROTOCOLS, type Protocol } from './ports.ts';
export { PROVIDER_ENDPOINTS, PROVIDERS, type Provider, type ProviderEndpoint } from './provider-endpoints.ts';
