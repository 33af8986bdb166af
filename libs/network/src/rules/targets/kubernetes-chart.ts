/**
 * Policies for pods of the chart, from the same flows that the chart's own are made of: what goes on among the pods stays as it is,
 * and who comes from outside is narrowed down to the networks of the rules. Ports are those of the pods.
 */
import {
  CLUSTER_FLOWS,
  type ClusterFlow,
  type Component,
  type FlowCondition,
  type Outsider,
} from '../../cluster/flows.ts';
import type { Role, RoleRules } from '../model.ts';
import { blocks, CLUSTER_DNS, type Policy } from './network-policy.ts';
import { NAME, type RenderOptions } from './target.ts';

const COMPONENTS: Readonly<Partial<Record<Role, readonly Component[]>>> = {
  staging: ['router', 'replication-server'],
  manager: ['gateway'],
};
/** Both ways of exposing 1500. An ingress controller is known to the values alone, as is what else is in the chart's own policies. */
const CONDITIONS: readonly FlowCondition[] = ['always', 'router', 'direct', 'gatewayFromOutside'];
const FROM_OUTSIDE: readonly (Component | Outsider)[] = ['agents', 'anybody'];

export function chartPolicies(role: RoleRules, options: RenderOptions): readonly Policy[] {
  return (COMPONENTS[role.role] ?? []).map((component) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `${NAME}-${role.role}-${component}`, namespace: options.namespace },
    spec: {
      podSelector: pods(component, options),
      policyTypes: ['Ingress', 'Egress'],
      ingress: flows(({ to }) => to === component).flatMap((flow) => ingress(flow, role, options)),
      egress: [
        ...flows(({ from }) => from.includes(component)).flatMap((flow) => egress(flow, options)),
        ...(component === 'replication-server' ? outside(role) : []),
      ],
    },
  }));
}

function flows(isOne: (flow: ClusterFlow) => boolean): readonly ClusterFlow[] {
  return CLUSTER_FLOWS.filter((flow) => CONDITIONS.includes(flow.when) && isOne(flow));
}

function ingress({ from, ports }: ClusterFlow, { rules }: RoleRules, options: RenderOptions): readonly object[] {
  const inside = from.filter((end) => !FROM_OUTSIDE.includes(end)).map((end) => ({ podSelector: pods(end, options) }));
  const comes = from.some((end) => FROM_OUTSIDE.includes(end));
  const peers = comes
    ? blocks({ peers: rules.filter(({ direction }) => direction === 'ingress').flatMap((rule) => rule.peers) })
    : [];
  const all = [...inside, ...distinct(peers)];
  return all.length === 0 ? [] : [{ from: all, ports: tcp(ports) }];
}

function egress({ to, ports }: ClusterFlow, options: RenderOptions): readonly object[] {
  if (to === 'dns') return [CLUSTER_DNS];
  return ports.length === 0 ? [] : [{ to: [{ podSelector: pods(to, options) }], ports: tcp(ports) }];
}

/** Replication servers whose manager, or whose proxy, is not in this cluster. */
function outside({ rules }: RoleRules): readonly object[] {
  return rules
    .filter(({ direction, protocol }) => direction === 'egress' && protocol === 'tcp')
    .map((rule) => ({ to: blocks(rule), ports: tcp([rule.port]) }));
}

function pods(component: string, { release }: RenderOptions) {
  return {
    matchLabels: {
      'app.kubernetes.io/name': 'live-migration-service',
      'app.kubernetes.io/instance': release,
      'app.kubernetes.io/component': component,
    },
  };
}

function tcp(ports: readonly number[]) {
  return ports.map((port) => ({ protocol: 'TCP', port }));
}

function distinct<Peer extends { readonly ipBlock: { readonly cidr: string } }>(
  peers: readonly Peer[],
): readonly Peer[] {
  return peers.filter((peer, index) => peers.findIndex(({ ipBlock }) => ipBlock.cidr === peer.ipBlock.cidr) === index);
}
