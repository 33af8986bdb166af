/**
 * The firewall of an Azure storage account. This product keeps nothing in one; where an installation does (a volume of its cluster
 * that is a share of the account, agents in a container), the account has to let in the manager and the replication servers.
 */
import { formatNetwork, isPrivate, isSingleAddress, type Network } from '../network.ts';
import type { StorageAccount } from './target.ts';

export function storageResource({ name, addresses, subnets }: StorageAccount) {
  return {
    type: 'Microsoft.Storage/storageAccounts',
    apiVersion: '2023-05-01',
    name,
    location: "[parameters('location')]",
    sku: { name: "[parameters('storageAccountSku')]" },
    kind: "[parameters('storageAccountKind')]",
    properties: {
      networkAcls: {
        // As every account has it: what Azure's own backup and logging may do is not for these rules to say.
        bypass: 'AzureServices',
        defaultAction: 'Deny',
        ipRules: publicNetworks(addresses).map((network) => ({ value: ipRule(network), action: 'Allow' })),
        virtualNetworkRules: subnets.map((id) => ({ id, action: 'Allow' })),
      },
    },
  };
}

/** Of the account that is there already: a template has to name them, and others would change it. */
export const STORAGE_PARAMETERS = {
  storageAccountSku: { type: 'string', defaultValue: 'Standard_LRS' },
  storageAccountKind: { type: 'string', defaultValue: 'StorageV2' },
};

export function storageNotes({ name, addresses }: StorageAccount): readonly string[] {
  const left = addresses.filter((network) => !publicNetworks([network]).includes(network)).map(formatNetwork);
  return [
    `The firewall of the storage account ${name} is replaced as a whole. Its kind and redundancy have to be named as they are:` +
      ' --parameters storageAccountKind=… storageAccountSku=…',
    ...(left.length === 0
      ? []
      : [
          `A storage account takes no private addresses nor IPv6: ${left.join(', ')} must come by a subnet (--storage-subnet).`,
        ]),
  ];
}

export function publicNetworks(networks: readonly Network[]): readonly Network[] {
  return networks.filter((network) => network.family === 4 && !isPrivate(network));
}

/** Ranges of one and of two addresses are refused: those are written as addresses. */
export function ipRule(network: Network): string {
  return isSingleAddress(network) ? network.address : formatNetwork(network);
}
