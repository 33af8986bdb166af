/**
 * NetworkPolicies. Source machines and proxies are pods of somebody else (virtual machines of KubeVirt, an HTTP proxy), named by
 * labels; staging area and manager are pods of the chart, whose own policies these narrow down to the networks that are named.
 * A pod that any policy names may do what one of them lets it, and nothing else.
 */
import { LmsError } from '@lms/errors';
import { stringify } from 'yaml';
import type { RoleRules, Rule, RulePlan } from '../model.ts';
import { chartPolicies } from './kubernetes-chart.ts';
import { blocks, CLUSTER_DNS, type Policy } from './network-policy.ts';
import { comments } from './one-host.ts';
import { nameOf, type RenderOptions, type Target } from './target.ts';

export const KUBERNETES: Target = {
  title: 'Kubernetes NetworkPolicies',
  oneHost: false,
  resolver: { kind: 'cluster' },
  apply: 'kubectl apply --filename FILE',
  notes: (_options, { roles }) =>
    roles.some(({ role }) => role === 'staging' || role === 'manager')
      ? [
          'The chart makes policies for its own pods, which add up with these: where they let in everybody, ' +
            'narrow them by networkPolicy.agents and networkPolicy.ingressControllers in its values.',
        ]
      : [],
  render: renderKubernetes,
};

function renderKubernetes(plan: RulePlan, options: RenderOptions): string {
  const policies = plan.roles.flatMap((role) =>
    role.role === 'source' || role.role === 'proxy' ? [policyOfPods(role, options)] : chartPolicies(role, options),
  );
  return comments(plan.notes) + policies.map((policy) => `---\n${stringify(policy, { lineWidth: 0 })}`).join('');
}

function policyOfPods(role: RoleRules, { selector, namespace }: RenderOptions): Policy {
  if (selector === null) {
    throw new LmsError('INVALID_ARGUMENT', `which pods are the ${role.role}, only their labels tell`, {
      field: '--selector',
      action: 'Give --selector LABEL=VALUE, and --namespace.',
    });
  }
  const ofDirection = (direction: Rule['direction']): readonly Rule[] =>
    role.rules.filter((rule) => rule.direction === direction);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: nameOf(role.role), namespace },
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ['Ingress', 'Egress'],
      ingress: ofDirection('ingress').map((rule) => ({ from: blocks(rule), ports: portsOf(rule) })),
      egress: [...ofDirection('egress').map((rule) => ({ to: blocks(rule), ports: portsOf(rule) })), CLUSTER_DNS],
    },
  };
}

function portsOf({ protocol, port }: Rule) {
  return [{ protocol: protocol.toUpperCase(), port }];
}
