// Who may connect to whom, read from the policies as they are rendered: exactly the table, flow by flow.

import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { find, render, valuesNamed, type ChartObject } from './harness/chart.ts';
import { podsOf, settingsOf, type ChartPod } from './harness/pods.ts';

const PEER = z.looseObject({
  podSelector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }).optional(),
});
const PORTS = z.array(z.object({ protocol: z.string(), port: z.number() }));
const OPENED = z.array(z.looseObject({ protocol: z.string().default('TCP'), containerPort: z.number() }));
const SPEC = z.object({
  podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
  policyTypes: z.array(z.string()),
  ingress: z.array(z.object({ from: z.array(PEER).optional(), ports: PORTS })).default([]),
  egress: z.array(z.object({ to: z.array(PEER).optional(), ports: PORTS })).default([]),
});
type Spec = z.infer<typeof SPEC>;
const COMPONENT = 'app.kubernetes.io/component';

/** `from > to port`, as one side's policy says it. Whoever is no pod of the release is written as its policy names it. */
function nameOf(peer: z.infer<typeof PEER>): string {
  const labels = peer.podSelector?.matchLabels ?? {};
  const component = labels['app.kubernetes.io/instance'] === 'lms' ? labels[COMPONENT] : undefined;
  return component ?? JSON.stringify(peer);
}

function policies(objects: readonly ChartObject[]): ReadonlyMap<string, Spec> {
  const specs = new Map<string, Spec>();
  for (const { kind, metadata, ...rest } of objects) {
    if (kind !== 'NetworkPolicy') continue;
    const spec = SPEC.parse(rest['spec']);
    const component = spec.podSelector.matchLabels[COMPONENT];
    if (component !== undefined) specs.set(component, spec);
    else expect(metadata.name).toBe('lms-default-deny');
  }
  // Those of replication servers are made by staging-controller, by what the chart tells it.
  const { ingressFrom, egress } = settingsOf(objects).networkPolicy;
  const own = {
    podSelector: { matchLabels: { [COMPONENT]: 'replication-server' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ protocol: 'TCP', port: 1500 }], ...(ingressFrom.length > 0 && { from: ingressFrom }) }],
    egress,
  };
  return specs.set('replication-server', SPEC.parse(own));
}

function openedPorts(spec: ChartPod['spec']): readonly string[] {
  return spec.containers.flatMap(({ ports }) =>
    OPENED.parse(ports ?? []).map(({ protocol, containerPort }) => `${protocol} ${containerPort}`),
  );
}

interface Flows {
  readonly into: readonly string[];
  readonly outOf: readonly string[];
}

function flowsOf(objects: readonly ChartObject[]): Flows {
  const into: string[] = [];
  const outOf: string[] = [];
  const portsOf = (ports: z.infer<typeof PORTS>) => ports.map(({ protocol, port }) => `${protocol} ${port}`);
  for (const [component, { ingress, egress }] of policies(objects)) {
    for (const { from, ports } of ingress) {
      for (const peer of from?.map(nameOf) ?? ['anybody']) {
        for (const port of portsOf(ports)) into.push(`${peer} > ${component} ${port}`);
      }
    }
    for (const { to, ports } of egress) {
      for (const peer of to?.map(nameOf) ?? ['anywhere']) {
        for (const port of portsOf(ports)) outOf.push(`${component} > ${peer} ${port}`);
      }
    }
  }
  return { into: into.sort(), outOf: outOf.sort() };
}

const BETWEEN = [
  'check > gateway TCP 8444',
  'check > nats TCP 4222',
  'check > router TCP 1500',
  'gateway > gateway TCP 8445',
  'gateway > log-ingest TCP 8443',
  'gateway > registry TCP 8443',
  'gateway > staging-controller TCP 8443',
  'gateway > stats-ingest TCP 8443',
  'log-ingest > nats TCP 4222',
  'nats > nats TCP 6222',
  'registry > nats TCP 4222',
  'replication-server > gateway TCP 8444',
  'router > replication-server TCP 1500',
  'router > staging-controller TCP 8443',
  'staging-controller > nats TCP 4222',
  'staging-controller > registry TCP 8443',
  'stats-ingest > nats TCP 4222',
];
const ASK_DNS = [
  'check',
  'gateway',
  'log-ingest',
  'nats',
  'registry',
  'replication-server',
  'router',
  'staging-controller',
  'stats-ingest',
];
const API_SERVER = ['setup', 'staging-controller'].flatMap((component) =>
  [443, 6443].map((port) => `${component} > anywhere TCP ${port}`),
);
const DNS = ASK_DNS.flatMap((component) => ['TCP', 'UDP'].map((protocol) => `${component} > anywhere ${protocol} 53`));

const internal = (flow: string): boolean => !/ > anywhere |^anybody > /.test(flow);

test('with the values as they are: exactly the flows of the table, each allowed at both of its ends', async () => {
  const { into, outOf } = flowsOf(await render());
  expect(into).toEqual(['anybody > router TCP 1500', ...BETWEEN].sort());
  expect(outOf).toEqual([...BETWEEN, ...DNS, ...API_SERVER].sort());
});

test('everything else is denied: of every pod of the release, in both directions', async () => {
  const { podSelector, policyTypes, ingress, egress } = SPEC.parse(
    find(await render(), 'NetworkPolicy', 'lms-default-deny')['spec'],
  );
  expect(policyTypes).toEqual(['Ingress', 'Egress']);
  expect([ingress, egress]).toEqual([[], []]);
  expect(podSelector.matchLabels).toEqual({
    'app.kubernetes.io/name': 'live-migration-service',
    'app.kubernetes.io/instance': 'lms',
  });
});

test('with an ingress: its port without TLS too, and from whom is said in the values', async () => {
  const { into } = flowsOf(await render({ file: valuesNamed('narrow-network-policies') }));
  const ingress = '{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"projectcontour"}}}';
  const agents = '{"ipBlock":{"cidr":"198.51.100.0/24"}}';
  expect(into).toEqual([`${ingress} > gateway TCP 8080`, `${agents} > router TCP 1500`, ...BETWEEN].sort());
});

test('API server, DNS and collector are reached where the values say', async () => {
  const narrow = flowsOf(await render({ file: valuesNamed('narrow-network-policies') })).outOf;
  expect(narrow).toContain('setup > {"ipBlock":{"cidr":"10.96.0.1/32"}} TCP 6443');
  expect(narrow.filter((flow) => / anywhere /.test(flow))).toEqual([]);
  const { outOf } = flowsOf(await render({ file: valuesNamed('telemetry') }));
  const senders = ASK_DNS.filter((name) => !['check', 'nats'].includes(name));
  const collector = outOf.filter((flow) => flow.endsWith(' TCP 4317'));
  expect(collector.map((flow) => flow.split(' ')[0])).toEqual(senders);
  expect(collector.every((flow) => flow.includes('observability'))).toBe(true);
});

test('the gateway reaches a bucket of agent packages where it streams them, and only there', async () => {
  const toBucket = 'gateway > {"ipBlock":{"cidr":"192.0.2.0/24"}} TCP 9000';
  const file = valuesNamed('agents-from-a-bucket');
  expect(flowsOf(await render({ file })).outOf.filter((flow) => flow.includes('ipBlock'))).toEqual([toBucket]);
  const values = { agentPackages: { bucket: { delivery: 'redirect' } } };
  expect(flowsOf(await render({ file, values })).outOf.filter((flow) => flow.includes('ipBlock'))).toEqual([]);
});

test('without a router agents come to replication servers, and the gateway is open where it ends TLS itself', async () => {
  const { into, outOf } = flowsOf(await render({ file: valuesNamed('address-for-each') }));
  const without = BETWEEN.filter((flow) => !flow.includes('router'));
  expect(into).toEqual(['anybody > gateway TCP 8444', 'anybody > replication-server TCP 1500', ...without].sort());
  expect(outOf.filter(internal)).toEqual(without);
});

test('with NATS of somebody else: its ports, and no pod that would be reached by clients', async () => {
  const { into, outOf } = flowsOf(await render({ file: valuesNamed('external-nats') }));
  expect(into.filter((flow) => flow.includes('nats'))).toEqual([]);
  const clients = ['check', 'log-ingest', 'registry', 'staging-controller', 'stats-ingest'];
  expect(outOf.filter((flow) => flow.endsWith(' TCP 4222'))).toEqual(
    clients.map((name) => `${name} > anywhere TCP 4222`),
  );
});

test('metrics are read by whom the values name', async () => {
  const { into } = flowsOf(await render({ file: valuesNamed('monitoring') }));
  expect(into.filter((flow) => flow.endsWith('9101'))).toEqual([
    '{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}} > router TCP 9101',
  ]);
});

test.each(['defaults', 'contour', 'address-for-each', 'external-nats', 'monitoring'])(
  'every port that is let in is one that the pod opens: %s',
  async (name) => {
    const objects = await render({ file: valuesNamed(name) });
    const opened = new Map(podsOf(objects).map(({ labels, spec }) => [labels[COMPONENT], openedPorts(spec)]));
    const { into } = flowsOf(objects);
    for (const flow of into) {
      const [, component = '', protocol, port] = / > (\S+) (\S+) (\d+)$/.exec(flow) ?? [];
      expect({ flow, opened: opened.get(component) }).toEqual({
        flow,
        opened: expect.arrayContaining([`${protocol} ${port}`]),
      });
    }
  },
);
