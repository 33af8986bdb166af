// The chart's own copy of the flows: helm reads no TypeScript.

import { CLUSTER_FLOWS } from '@lms/network';
import { Document, isSeq, type Node } from 'yaml';

const HEAD = `\
# Who connects to whom, and nothing else: written by scripts/network/main.ts from libs/network, not by hand.
# templates/_network.tpl makes the NetworkPolicies from this. Ports are those of the pods.
#
#   when    always where it is left out; the conditions stand in templates/_network.tpl
#   from, to    components, or who is outside: agents, anybody, api-server, dns, external-nats, ingress-controllers,
#               monitoring, otlp (networkPolicy of the values says who that is)
`;

export function clusterFlowsFile(): string {
  const document = new Document(
    CLUSTER_FLOWS.map(({ from, to, ports, when, what }) => ({
      from,
      to,
      ...(ports.length > 0 && { ports }),
      ...(when !== 'always' && { when }),
      what,
    })),
    // Each line is read by itself.
    { aliasDuplicateObjects: false },
  );
  if (isSeq<Node>(document.contents)) for (const item of document.contents.items) Object.assign(item, { flow: true });
  return `${HEAD}${document.toString({ lineWidth: 0, flowCollectionPadding: false })}`;
}
