/** VPC firewall rules of the google provider: one resource for each, and those that deny the rest. */
import type { Role, Rule, RulePlan } from '../model.ts';
import { ANYWHERE, formatNetwork } from '../network.ts';
import { ALLOW_PRIORITY, DEFAULT_NETWORK, DENY_PRIORITY, GCP } from './gcp.ts';
import { nameOf, type RenderOptions, type Target } from './target.ts';
import { identifier, resourcesOf, terraformText, variable } from './terraform.ts';

export const TERRAFORM_GCP: Target = {
  title: 'Terraform for Google Cloud (.tf.json)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply: 'terraform apply   (the text in a file lms-network.tf.json)',
  notes: GCP.notes,
  render: renderTerraformGcp,
};

function renderTerraformGcp({ roles, notes }: RulePlan, { network, otherTraffic }: RenderOptions): string {
  const denials = roles.flatMap(({ role }) => (['ingress', 'egress'] as const).flatMap((way) => denialsOf(role, way)));
  return terraformText({
    notes,
    provider: { name: 'google', source: 'hashicorp/google', version: '>= 6.0' },
    variables: { network: variable('Network of the machines', network ?? DEFAULT_NETWORK) },
    resources: {
      google_compute_firewall: {
        ...resourcesOf(roles, (rule, name, role) => ({ [name]: allow(rule, name, role) })),
        ...(otherTraffic === 'drop' && (Object.fromEntries(denials) as Record<string, object>)),
      },
    },
  });
}

function allow({ direction, protocol, port, peers, why }: Rule, name: string, role: Role) {
  return {
    name: `lms-${name.replaceAll('_', '-')}`,
    description: why,
    network: '${var.network}',
    direction: direction.toUpperCase(),
    priority: ALLOW_PRIORITY,
    [rangesOf(direction)]: peers.map(formatNetwork),
    target_tags: [nameOf(role)],
    allow: [{ protocol, ports: [String(port)] }],
  };
}

function denialsOf(role: Role, direction: Rule['direction']) {
  return ANYWHERE.map((everybody) => {
    const name = `${nameOf(role)}-deny-${direction}${everybody.family === 4 ? '' : '-ipv6'}`;
    return [
      identifier(name),
      {
        name,
        network: '${var.network}',
        direction: direction.toUpperCase(),
        priority: DENY_PRIORITY,
        [rangesOf(direction)]: [formatNetwork(everybody)],
        target_tags: [nameOf(role)],
        deny: [{ protocol: 'all' }],
      },
    ] as const;
  });
}

function rangesOf(direction: Rule['direction']): string {
  return direction === 'ingress' ? 'source_ranges' : 'destination_ranges';
}
