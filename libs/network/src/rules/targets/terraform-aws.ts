/** A security group for each role, and a resource for each rule: terraform takes away the rule "everything out" that AWS makes. */
import type { Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { awsDescription } from './aws.ts';
import { nameOf, type RenderOptions, type Target, noNotes } from './target.ts';
import { identifier, resourcesOf, terraformText, variable } from './terraform.ts';

export const TERRAFORM_AWS: Target = {
  title: 'Terraform for AWS (.tf.json)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply: 'terraform apply -var vpc_id=vpc-…   (the text in a file lms-network.tf.json)',
  notes: noNotes,
  render: renderTerraformAws,
};

function renderTerraformAws({ roles, notes }: RulePlan, { network }: RenderOptions): string {
  const groups = roles.map(({ role }) => [
    identifier(nameOf(role)),
    { name: nameOf(role), description: `Live Migration Service: ${role}`, vpc_id: '${var.vpc_id}' },
  ]);
  const rules = (direction: Rule['direction']) =>
    resourcesOf(roles, (rule, name, role) => (rule.direction === direction ? resources(rule, name, nameOf(role)) : {}));
  return terraformText({
    notes,
    provider: { name: 'aws', source: 'hashicorp/aws', version: '>= 5.0' },
    variables: { vpc_id: variable('VPC of the machines', network) },
    resources: {
      aws_security_group: Object.fromEntries(groups) as Record<string, object>,
      aws_vpc_security_group_ingress_rule: rules('ingress'),
      aws_vpc_security_group_egress_rule: rules('egress'),
    },
  });
}

function resources({ protocol, port, family, peers, why }: Rule, name: string, group: string) {
  return Object.fromEntries(
    peers.map((peer, index) => [
      index === 0 ? name : `${name}_peer_${index + 1}`,
      {
        security_group_id: `\${aws_security_group.${identifier(group)}.id}`,
        description: awsDescription(why),
        ip_protocol: protocol,
        from_port: port,
        to_port: port,
        [family === 4 ? 'cidr_ipv4' : 'cidr_ipv6']: formatNetwork(peer),
      },
    ]),
  );
}
