/** The rules of an installation, in one of the forms: text to be put into force as it is, and what has to be known about it. */
import { LmsError } from '@lms/errors';
import type { InstallationNetwork, RuleRequest } from './model.ts';
import { planRules, storageNetworks } from './plan.ts';
import type { NameLookup } from './situation.ts';
import { TARGETS, type TargetName } from './targets/index.ts';
import type { RenderOptions, StorageAccount } from './targets/target.ts';

export interface FirewallRules {
  readonly text: string;
  readonly title: string;
  readonly apply: string;
  readonly notes: readonly string[];
}

export interface RulesOptions extends Omit<RenderOptions, 'storageAccount'> {
  /** Its firewall too; null: there is none. */
  readonly storageAccount: Omit<StorageAccount, 'addresses'> | null;
}

export interface FirewallRulesRequest {
  readonly target: TargetName;
  readonly installation: InstallationNetwork;
  readonly request: RuleRequest;
  readonly options: RulesOptions;
  readonly lookup: NameLookup;
}

export function firewallRules({ target, installation, request, options, lookup }: FirewallRulesRequest): FirewallRules {
  const { title, apply, oneHost, resolver, notes, render } = TARGETS[target];
  if (oneHost && request.roles.length === 0) {
    throw new LmsError('INVALID_ARGUMENT', `rules of ${title} are for one host, and its part has to be named`, {
      field: '--role',
      action: 'Give --role source, staging, manager or proxy; more than one where one host is all of them.',
    });
  }
  const planned = { installation, request, lookup, resolver };
  const plan = planRules(planned);
  const { storageAccount } = options;
  if (storageAccount !== null && storageAccount.subnets.length === 0 && request.staging.length === 0) {
    throw new LmsError('INVALID_ARGUMENT', 'the storage account has to know where replication servers come from', {
      field: '--storage-subnet',
      action: 'Give --storage-subnet with the id of their subnet, or --staging with public addresses.',
    });
  }
  const rendered: RenderOptions = {
    ...options,
    storageAccount: storageAccount === null ? null : { ...storageAccount, addresses: storageNetworks(planned) },
  };
  return { text: render(plan, rendered), title, apply, notes: [...plan.notes, ...notes(rendered, plan)] };
}
