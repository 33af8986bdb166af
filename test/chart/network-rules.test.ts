// NetworkPolicies as `lms network rules` writes them, against the pods of the rendered chart and everybody around them: what is needed
// goes through, and nothing else of all that there is to try.

import { expect, test } from '@jest/globals';
import { NAMESPACE, render, type ChartObject } from './harness/chart.ts';
import { podsOf } from './harness/pods.ts';
import { NetworkPolicies, type End } from './harness/policy-evaluator.ts';
import { MANAGER, OPERATOR, policyRules, PROXY, SOURCE, SOURCE_LABELS, STAGING } from './harness/policy-rules.ts';

const COMPONENT = 'app.kubernetes.io/component';
const PORTS = [22, 53, 443, 1500, 3128, 4222, 8080, 8443, 8444, 8445];
const STRANGER = '192.0.2.66';

function everybody(objects: readonly ChartObject[]): ReadonlyMap<string, End> {
  const pods = podsOf(objects).map(
    ({ labels }) => [labels[COMPONENT] ?? '', { namespace: NAMESPACE, labels }] as const,
  );
  return new Map<string, End>([
    ...pods,
    ['machine', { namespace: 'vms', labels: SOURCE_LABELS }],
    ['other pod', { namespace: 'vms', labels: { app: 'shop' } }],
    ['dns', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }],
    ['false dns', { namespace: 'vms', labels: { 'k8s-app': 'kube-dns' } }],
    ...Object.entries({ SOURCE, OPERATOR, MANAGER, PROXY, STAGING, STRANGER }),
  ]);
}

/** All that the policies let through of what begins or ends at one of these: `from > to protocol port`. */
async function passing(manifests: string, names: readonly string[]): Promise<readonly string[]> {
  const policies = new NetworkPolicies(manifests);
  const ends = everybody(await render());
  const found: string[] = [];
  for (const [from, source] of ends) {
    for (const [to, target] of ends) {
      if (!names.includes(from) && !names.includes(to)) continue;
      for (const port of PORTS) {
        for (const protocol of ['TCP', 'UDP'] as const) {
          const passes = policies.lets({ from: source, to: target, protocol, port });
          if (passes) found.push(`${from} > ${to} ${protocol} ${port}`);
        }
      }
    }
  }
  return found.sort();
}

const names = (pod: string): readonly string[] => [`${pod} > dns TCP 53`, `${pod} > dns UDP 53`];

test('the staging area: 1500 from source machines, 443 to the manager, and the chart among itself', async () => {
  expect(await passing(policyRules(['staging']), ['router', 'replication-server'])).toEqual(
    [
      ...names('replication-server'),
      ...names('router'),
      'SOURCE > replication-server TCP 1500',
      'SOURCE > router TCP 1500',
      'check > router TCP 1500',
      'replication-server > MANAGER TCP 443',
      'replication-server > gateway TCP 8444',
      'router > replication-server TCP 1500',
      'router > staging-controller TCP 8443',
    ].sort(),
  );
});

test('the staging area by a proxy: 443 goes there, and to nobody else outside', async () => {
  const found = await passing(policyRules(['staging'], { proxied: true }), ['replication-server']);
  expect(found.filter((flow) => /^replication-server > [A-Z]/.test(flow))).toEqual([
    'replication-server > PROXY TCP 3128',
  ]);
});

test('the manager: from source machines, the staging area and operators, and the chart among itself', async () => {
  expect(await passing(policyRules(['manager']), ['gateway'])).toEqual(
    [
      ...names('gateway'),
      ...['OPERATOR', 'SOURCE', 'STAGING', 'check', 'replication-server'].map((from) => `${from} > gateway TCP 8444`),
      'gateway > gateway TCP 8445',
      ...['log-ingest', 'registry', 'staging-controller', 'stats-ingest'].map((to) => `gateway > ${to} TCP 8443`),
    ].sort(),
  );
});

test('a source machine that is a pod: 1500 and 443, names, and nobody comes in', async () => {
  const machine = policyRules(['source'], { namespace: 'vms' });
  expect(await passing(machine, ['machine'])).toEqual(
    [...names('machine'), 'machine > MANAGER TCP 443', 'machine > STAGING TCP 1500'].sort(),
  );
  const proxied = await passing(policyRules(['source'], { namespace: 'vms', proxied: true }), ['machine']);
  expect(proxied).toEqual([...names('machine'), 'machine > PROXY TCP 3128', 'machine > STAGING TCP 1500'].sort());
});

test('without a policy everything passes: what the others show is theirs', async () => {
  const found = await passing(policyRules(['source'], { namespace: 'elsewhere' }), ['machine']);
  expect(found).toContain('STRANGER > machine TCP 22');
});
