/**
 * Security groups of an IBM Cloud VPC, each as the body that its API takes (POST /v1/security_groups), in a JSON array. A group
 * without rules lets nothing through, in either direction. A VPC of IBM has no IPv6.
 */
import { LmsError } from '@lms/errors';
import type { RoleRules, Rule, RulePlan } from '../model.ts';
import { formatNetwork, isSingleAddress, parseNetwork } from '../network.ts';
import { json, nameOf, numbered, type RenderOptions, type Target } from './target.ts';

/** IBM's resolvers, the same in every region: reached by rules, like anything else. */
const RESOLVERS = ['161.26.0.10', '161.26.0.11'];

export const IBM: Target = {
  title: 'IBM Cloud VPC security groups (bodies for its API)',
  oneHost: false,
  resolver: { kind: 'usual', networks: RESOLVERS.map((address) => parseNetwork(address, 'resolver')) },
  apply:
    "jq --compact-output '.[]' FILE | while read -r group; do curl --fail --silent --show-error --request POST " +
    '--header "$(ibmcloud iam oauth-tokens | sed \'s/IAM token:  */Authorization: /\')" --data "$group" ' +
    '"https://REGION.iaas.cloud.ibm.com/v1/security_groups?version=2024-04-30&generation=2"; done',
  notes: (_options, { roles }) =>
    roles.some(({ rules }) => rules.some(({ family }) => family === 6))
      ? ['Addresses of IPv6 are left out: a VPC of IBM has none.']
      : [],
  render: renderIbm,
};

function renderIbm({ roles }: RulePlan, { network }: RenderOptions): string {
  if (network === null) {
    throw new LmsError('INVALID_ARGUMENT', 'IBM Cloud makes a security group in one VPC, which has to be named', {
      field: '--network',
      action: 'Give --network with the id of the VPC.',
    });
  }
  return json(roles.map((role) => group(role, network)));
}

function group(role: RoleRules, vpc: string) {
  const ofFour = { ...role, rules: role.rules.filter(({ family }) => family === 4) };
  const lost = role.rules.find((rule) => !ofFour.rules.some((other) => isSame(rule, other)));
  if (lost !== undefined) {
    throw new LmsError('UNSUPPORTED', `a VPC of IBM has no IPv6, and ${lost.why.split(':')[0]} has no other address`, {
      action: 'Give an address of IPv4.',
    });
  }
  return {
    name: nameOf(role.role),
    vpc: { id: vpc },
    rules: numbered(ofFour, ruleBodies).flat(),
  };
}

function isSame(left: Rule, right: Rule): boolean {
  return left.flow === right.flow && left.direction === right.direction && left.port === right.port;
}

function ruleBodies({ direction, protocol, port, peers }: Rule, name: string) {
  return peers.map((peer, index) => ({
    name: index === 0 ? name : `${name}-peer-${index + 1}`,
    direction: direction === 'ingress' ? 'inbound' : 'outbound',
    ip_version: 'ipv4',
    protocol,
    port_min: port,
    port_max: port,
    remote: isSingleAddress(peer) ? { address: peer.address } : { cidr_block: formatNetwork(peer) },
  }));
}
