/** The rules of an installation, in one of the forms: text to be put into force as it is, and what has to be known about it. */
import { LmsError } from '@lms/errors';
import type { InstallationNetwork, RuleRequest } from './model.ts';
import { planRules } from './plan.ts';
import type { NameLookup } from './situation.ts';
import { TARGETS, type TargetName } from './targets/index.ts';
import type { RenderOptions } from './targets/target.ts';

export interface FirewallRules {
  readonly text: string;
  readonly title: string;
  readonly apply: string;
  readonly notes: readonly string[];
}

export interface FirewallRulesRequest {
  readonly target: TargetName;
  readonly installation: InstallationNetwork;
  readonly request: RuleRequest;
  readonly options: RenderOptions;
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
  const plan = planRules({ installation, request, lookup, resolver });
  return { text: render(plan, options), title, apply, notes: [...plan.notes, ...notes(options, plan)] };
}
