/**
 * VPC firewall rules as resources of the Compute API (`firewalls`), one after the other in a JSON array. Google has no declarative
 * tool of its own any more (Deployment Manager has ended); its API takes the resource as it is, and so does everything built on it.
 * Machines are named by network tags. A machine may send anything unless a rule forbids it, so the last rule does.
 */
import type { RoleRules, Rule, RulePlan } from '../model.ts';
import { ANYWHERE, formatNetwork, type Family } from '../network.ts';
import { json, nameOf, numbered, type RenderOptions, type Target } from './target.ts';

export const GCP: Target = {
  title: 'Google Cloud VPC firewall rules (compute.firewalls resources)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply:
    "jq --compact-output '.[]' FILE | while read -r rule; do curl --fail --silent --show-error --request POST " +
    '--header "Authorization: Bearer $(gcloud auth print-access-token)" --header "Content-Type: application/json" ' +
    '--data "$rule" "https://compute.googleapis.com/compute/v1/projects/PROJECT/global/firewalls"; done',
  notes: ({ network }, { roles }) => [
    `Machines are those with the network tags ${roles.map(({ role }) => nameOf(role)).join(', ')}.`,
    ...(network === null ? ['The network is `default`: --network names another.'] : []),
  ],
  render: renderGcp,
};

export const ALLOW_PRIORITY = 1000;
/** Before the rules that a default network comes with, which are 65534. */
export const DENY_PRIORITY = 65000;
export const DEFAULT_NETWORK = 'default';

function renderGcp({ roles }: RulePlan, { network, otherTraffic }: RenderOptions): string {
  const path = `global/networks/${network ?? DEFAULT_NETWORK}`;
  return json(
    roles.flatMap((role) => [
      ...numbered(role, (rule, name) => allow(role, rule, name, path)),
      ...(otherTraffic === 'drop' ? denials(role, path) : []),
    ]),
  );
}

function allow({ role }: RoleRules, { direction, protocol, port, peers, why }: Rule, name: string, network: string) {
  return {
    name: `${nameOf(role)}-${name}`,
    description: why,
    network,
    direction: direction.toUpperCase(),
    priority: ALLOW_PRIORITY,
    [direction === 'ingress' ? 'sourceRanges' : 'destinationRanges']: peers.map(formatNetwork),
    targetTags: [nameOf(role)],
    allowed: [{ IPProtocol: protocol, ports: [String(port)] }],
  };
}

function denials({ role }: RoleRules, network: string) {
  const directions = ['ingress', 'egress'] as const;
  return directions.flatMap((direction) =>
    ANYWHERE.map((everybody) => ({
      name: `${nameOf(role)}-deny-${direction}${suffix(everybody.family)}`,
      description: 'Whatever is not allowed',
      network,
      direction: direction.toUpperCase(),
      priority: DENY_PRIORITY,
      [direction === 'ingress' ? 'sourceRanges' : 'destinationRanges']: [formatNetwork(everybody)],
      targetTags: [nameOf(role)],
      denied: [{ IPProtocol: 'all' }],
    })),
  );
}

function suffix(family: Family): string {
  return family === 4 ? '' : '-ipv6';
}
