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
export { cloudAddresses, installationPorts, type CloudAddress, type InstallationPort } from './installation-ports.ts';
export { portRows, type Direction, type PortRow } from './port-table.ts';
export { BLOCK_STREAM_PORT, DNS_PORT, MANAGER_PORT, PROTOCOLS, type Protocol } from './ports.ts';
export { PROVIDER_ENDPOINTS, PROVIDERS, type Provider, type ProviderEndpoint } from './provider-endpoints.ts';
export {
  firewallRules,
  type FirewallRules,
  type FirewallRulesRequest,
  type RulesOptions,
} from './rules/firewall-rules.ts';
export {
  ROLES,
  type BlockStreamAddress,
  type InstallationNetwork,
  type Role,
  type RuleRequest,
} from './rules/model.ts';
export { isLoopback, isPrivate, networkOf, parseNetwork, type Network } from './rules/network.ts';
export { namesIn, type NameLookup } from './rules/situation.ts';
export { TARGET_NAMES, type TargetName } from './rules/targets/index.ts';
export { type OtherTraffic } from './rules/targets/target.ts';
