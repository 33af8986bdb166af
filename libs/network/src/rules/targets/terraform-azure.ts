/** Network security groups of azurerm, and the network rules of a storage account. */
import type { Role, Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { azureDescription, DENY_PRIORITY } from './azure.ts';
import { ipRule, publicNetworks, storageNotes } from './azure-storage.ts';
import { nameOf, type RenderOptions, type StorageAccount, type Target } from './target.ts';
import { identifier, resourcesOf, terraformText, variable } from './terraform.ts';

export const TERRAFORM_AZURE: Target = {
  title: 'Terraform for Azure (.tf.json)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply: 'terraform apply -var resource_group=GROUP -var location=REGION   (the text in a file lms-network.tf.json)',
  notes: ({ storageAccount }) => (storageAccount === null ? [] : storageNotes(storageAccount).slice(1)),
  render: renderTerraformAzure,
};

const PRIORITY = { first: 100, step: 10 } as const;
const GROUP = '${var.resource_group}';

function renderTerraformAzure({ roles, notes }: RulePlan, { otherTraffic, storageAccount }: RenderOptions): string {
  const groups = roles.map(({ role }) => [
    identifier(nameOf(role)),
    { name: nameOf(role), resource_group_name: GROUP, location: '${var.location}' },
  ]);
  const denials = roles.flatMap(({ role }) =>
    (['Inbound', 'Outbound'] as const).map((direction) => [
      identifier(`${role}-deny-${direction.toLowerCase()}`),
      denial(role, direction),
    ]),
  );
  return terraformText({
    notes,
    provider: { name: 'azurerm', source: 'hashicorp/azurerm', version: '>= 4.0' },
    variables: {
      resource_group: variable('Where the groups are made', null),
      location: variable('Region of the machines', null),
      ...(storageAccount !== null && { storage_account_id: variable(`Resource id of ${storageAccount.name}`, null) }),
    },
    resources: {
      azurerm_network_security_group: Object.fromEntries(groups) as Record<string, object>,
      azurerm_network_security_rule: {
        ...resourcesOf(roles, (rule, name, role, index) => ({ [name]: allow(rule, name, role, index) })),
        ...(otherTraffic === 'drop' && (Object.fromEntries(denials) as Record<string, object>)),
      },
      azurerm_storage_account_network_rules: storageAccount === null ? {} : { lms: storageRules(storageAccount) },
    },
  });
}

function within(role: Role) {
  return {
    resource_group_name: GROUP,
    network_security_group_name: `\${azurerm_network_security_group.${identifier(nameOf(role))}.name}`,
  };
}

function allow({ direction, protocol, port, peers, why }: Rule, name: string, role: Role, index: number) {
  const prefixes = peers.map(formatNetwork);
  return {
    ...within(role),
    name: name.replaceAll('_', '-'),
    description: azureDescription(why),
    access: 'Allow',
    direction: direction === 'ingress' ? 'Inbound' : 'Outbound',
    priority: PRIORITY.first + index * PRIORITY.step,
    protocol: protocol === 'tcp' ? 'Tcp' : 'Udp',
    source_port_range: '*',
    destination_port_range: String(port),
    ...(direction === 'ingress'
      ? { source_address_prefixes: prefixes, destination_address_prefix: '*' }
      : { source_address_prefix: '*', destination_address_prefixes: prefixes }),
  };
}

function denial(role: Role, direction: 'Inbound' | 'Outbound') {
  return {
    ...within(role),
    name: `deny-other-${direction.toLowerCase()}`,
    access: 'Deny',
    direction,
    priority: DENY_PRIORITY,
    protocol: '*',
    source_port_range: '*',
    destination_port_range: '*',
    source_address_prefix: '*',
    destination_address_prefix: '*',
  };
}

function storageRules({ addresses, subnets }: StorageAccount) {
  return {
    storage_account_id: '${var.storage_account_id}',
    default_action: 'Deny',
    bypass: ['AzureServices'],
    ip_rules: publicNetworks(addresses).map(ipRule),
    virtual_network_subnet_ids: subnets,
  };
}
