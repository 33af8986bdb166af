// What NetworkPolicies let through, by the rules that kubernetes.io/docs/concepts/services-networking/network-policies has:
// a pod that no policy selects may do everything, and one that some select may do what any of them lets it; a connection needs both
// of its ends. Only the parts of a policy that this repository writes: what else there is in one is refused, not passed over.

import { BlockList, isIPv4 } from 'node:net';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

const SELECTOR = z.strictObject({ matchLabels: z.record(z.string(), z.string()).default({}) });
const PEER = z.strictObject({
  podSelector: SELECTOR.optional(),
  namespaceSelector: SELECTOR.optional(),
  ipBlock: z.strictObject({ cidr: z.string() }).optional(),
});
const PORTS = z.array(z.strictObject({ protocol: z.enum(['TCP', 'UDP']), port: z.number() }));
const POLICY = z.strictObject({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('NetworkPolicy'),
  metadata: z.looseObject({ namespace: z.string() }),
  spec: z.strictObject({
    podSelector: SELECTOR,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
    ingress: z.array(z.strictObject({ from: z.array(PEER).min(1), ports: PORTS.min(1) })),
    egress: z.array(z.strictObject({ to: z.array(PEER).min(1), ports: PORTS.min(1) })),
  }),
});
type Policy = z.infer<typeof POLICY>;
type Peer = z.infer<typeof PEER>;

export interface Pod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A pod, or an address outside of the cluster. */
export type End = Pod | string;

export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

export class NetworkPolicies {
  readonly #policies: readonly Policy[];

  constructor(manifests: string) {
    this.#policies = parseAllDocuments(manifests).map((document) => POLICY.parse(document.toJS()));
  }

  lets({ from, to, protocol, port }: Connection): boolean {
    return this.#allows('Egress', from, to, protocol, port) && this.#allows('Ingress', to, from, protocol, port);
  }

  #allows(direction: 'Ingress' | 'Egress', end: End, other: End, protocol: string, port: number): boolean {
    if (typeof end === 'string') return true;
    const selecting = this.#policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === end.namespace &&
        spec.policyTypes.includes(direction) &&
        selects(spec.podSelector, end.labels),
    );
    if (selecting.length === 0) return true;
    return selecting.some(({ metadata, spec }) => {
      const rules =
        direction === 'Ingress'
          ? spec.ingress.map(({ from, ports }) => ({ peers: from, ports }))
          : spec.egress.map(({ to, ports }) => ({ peers: to, ports }));
      return rules.some(
        ({ peers, ports }) =>
          ports.some((one) => one.protocol === protocol && one.port === port) &&
          peers.some((peer) => isPeer(peer, other, metadata.namespace)),
      );
    });
  }
}

function selects({ matchLabels }: z.infer<typeof SELECTOR>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(matchLabels).every(([label, value]) => labels[label] === value);
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, end: End, namespace: string): boolean {
  if (typeof end === 'string') return ipBlock !== undefined && isInside(ipBlock.cidr, end);
  if (ipBlock !== undefined) return false;
  const inNamespace =
    namespaceSelector === undefined
      ? end.namespace === namespace
      : selects(namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace });
  return inNamespace && (podSelector === undefined || selects(podSelector, end.labels));
}

function isInside(cidr: string, address: string): boolean {
  const [network = '', prefix = ''] = cidr.split('/');
  const family = isIPv4(network) ? 'ipv4' : 'ipv6';
  const block = new BlockList();
  block.addSubnet(network, Number(prefix), family);
  return block.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
