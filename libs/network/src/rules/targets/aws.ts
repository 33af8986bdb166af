/**
 * Security groups as a CloudFormation template: AWS' own declarative form. What it made it can change and take away again, which a
 * list of `aws ec2 authorize-…` calls cannot. Groups add up: beside others an instance may do what any of them lets it.
 */
import type { RoleRules, Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { json, nameOf, type RenderOptions, type Target } from './target.ts';

export const AWS: Target = {
  title: 'AWS security groups (CloudFormation)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply: 'aws cloudformation deploy --stack-name lms-network --template-file FILE --parameter-overrides VpcId=vpc-…',
  notes: (_options, { roles }) =>
    roles
      .map(({ role, rules }) => [role, entries(rules, 'ingress').length, entries(rules, 'egress').length] as const)
      .filter(([, ingress, egress]) => Math.max(ingress, egress) > USUAL_QUOTA)
      .map(([role]) => `The group of ${role} has more than ${USUAL_QUOTA} rules, which is the usual quota of a VPC.`),
  render: renderAws,
};

/** Rules of a group in each direction: what an account has that asked for no more. */
const USUAL_QUOTA = 60;
/** A group for which no egress is named may send anything to anybody. What leads nowhere is the way to say "nothing". */
const NOTHING = { IpProtocol: '-1', CidrIp: '127.0.0.1/32', Description: 'nothing' };

function renderAws({ roles, notes }: RulePlan, { network }: RenderOptions): string {
  const parameter = {
    Type: 'AWS::EC2::VPC::Id',
    Description: 'VPC of the machines',
    ...(network !== null && { Default: network }),
  };
  return json({
    AWSTemplateFormatVersion: '2010-09-09',
    Description: notes.join(' ').slice(0, 1024),
    Parameters: { VpcId: parameter },
    Resources: Object.fromEntries(roles.map((role) => [`${pascal(role.role)}SecurityGroup`, group(role)])),
  });
}

function group({ role, rules }: RoleRules) {
  const egress = entries(rules, 'egress');
  return {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: {
      GroupName: nameOf(role),
      GroupDescription: `Live Migration Service: ${role}`,
      VpcId: { Ref: 'VpcId' },
      SecurityGroupIngress: entries(rules, 'ingress'),
      SecurityGroupEgress: egress.length > 0 ? egress : [NOTHING],
    },
  };
}

function entries(rules: readonly Rule[], direction: Rule['direction']) {
  return rules
    .filter((rule) => rule.direction === direction)
    .flatMap(({ protocol, port, family, peers, why }) =>
      peers.map((peer) => ({
        IpProtocol: protocol,
        FromPort: port,
        ToPort: port,
        [family === 4 ? 'CidrIp' : 'CidrIpv6']: formatNetwork(peer),
        Description: awsDescription(why),
      })),
    );
}

/** AWS takes these characters only, and 255 of them. */
export function awsDescription(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]/g, ' ').slice(0, 255);
}

function pascal(role: string): string {
  return `${role.charAt(0).toUpperCase()}${role.slice(1)}`;
}
