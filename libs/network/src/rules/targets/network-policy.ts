/** The parts of a NetworkPolicy that are the same in all of ours. */
import { DNS_PORT } from '../../ports.ts';
import type { Rule } from '../model.ts';
import { formatNetwork } from '../network.ts';

export interface Policy {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'NetworkPolicy';
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly podSelector: object;
    readonly policyTypes: readonly string[];
    readonly ingress: readonly object[];
    readonly egress: readonly object[];
  };
}

/** The cluster's DNS, wherever it runs: every distribution labels it so. */
export const CLUSTER_DNS = {
  to: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
  ports: [
    { protocol: 'UDP', port: DNS_PORT },
    { protocol: 'TCP', port: DNS_PORT },
  ],
};

export function blocks({ peers }: Pick<Rule, 'peers'>) {
  return peers.map((peer) => ({ ipBlock: { cidr: formatNetwork(peer) } }));
}
