/**
 * Network security groups as an ARM template: Azure's own declarative JSON, which `az deployment group create` applies as often as
 * one likes. With a storage account its network rules too: the manager's addresses and the subnets of replication servers.
 */
import type { RoleRules, Rule, RulePlan } from '../model.ts';
import { formatNetwork } from '../network.ts';
import { STORAGE_PARAMETERS, storageNotes, storageResource } from './azure-storage.ts';
import { json, nameOf, numbered, type RenderOptions, type Target } from './target.ts';

export const AZURE: Target = {
  title: 'Azure network security groups (ARM template)',
  oneHost: false,
  resolver: { kind: 'unfiltered' },
  apply: 'az deployment group create --resource-group GROUP --template-file FILE',
  notes: ({ storageAccount }) => (storageAccount === null ? [] : storageNotes(storageAccount)),
  render: renderAzure,
};

const FIRST_PRIORITY = 100;
const PRIORITY_STEP = 10;
/** The last one there is; after it come Azure's own, which let a virtual network talk with itself and with the internet. */
export const DENY_PRIORITY = 4096;

function renderAzure({ roles, notes }: RulePlan, { otherTraffic, storageAccount }: RenderOptions): string {
  return json({
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    metadata: { description: notes.join(' ') },
    parameters: {
      location: { type: 'string', defaultValue: '[resourceGroup().location]' },
      ...(storageAccount !== null && STORAGE_PARAMETERS),
    },
    resources: [
      ...roles.map((role) => group(role, otherTraffic === 'drop')),
      ...(storageAccount === null ? [] : [storageResource(storageAccount)]),
    ],
  });
}

function group(role: RoleRules, denyOthers: boolean) {
  const allowed = numbered(role, allow).map((make, index) => make(FIRST_PRIORITY + index * PRIORITY_STEP));
  return {
    type: 'Microsoft.Network/networkSecurityGroups',
    apiVersion: '2023-11-01',
    name: nameOf(role.role),
    location: "[parameters('location')]",
    properties: { securityRules: [...allowed, ...(denyOthers ? [deny('Inbound'), deny('Outbound')] : [])] },
  };
}

function allow({ direction, protocol, port, peers, why }: Rule, name: string) {
  const inbound = direction === 'ingress';
  const prefixes = peers.map(formatNetwork);
  return (priority: number) => ({
    name,
    properties: {
      description: azureDescription(why),
      access: 'Allow',
      direction: inbound ? 'Inbound' : 'Outbound',
      priority,
      protocol: protocol === 'tcp' ? 'Tcp' : 'Udp',
      sourcePortRange: '*',
      destinationPortRange: String(port),
      ...(inbound
        ? { sourceAddressPrefixes: prefixes, destinationAddressPrefix: '*' }
        : { sourceAddressPrefix: '*', destinationAddressPrefixes: prefixes }),
    },
  });
}

function deny(direction: 'Inbound' | 'Outbound') {
  return {
    name: `deny-other-${direction.toLowerCase()}`,
    properties: {
      description: 'Whatever is not named above',
      access: 'Deny',
      direction,
      priority: DENY_PRIORITY,
      protocol: '*',
      sourcePortRange: '*',
      destinationPortRange: '*',
      sourceAddressPrefix: '*',
      destinationAddressPrefix: '*',
    },
  };
}

/** Azure takes 140 characters. */
export function azureDescription(text: string): string {
  return text.slice(0, 140);
}
