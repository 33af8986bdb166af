// `lms network rules --for kubernetes` for an installation of the chart, as an operator would ask for them.

import { firewallRules, networkOf, parseNetwork, type Role } from '@lms/network';
import { NAMESPACE, RELEASE } from './chart.ts';

export const SOURCE = '203.0.113.5';
export const OPERATOR = '192.0.2.3';
export const MANAGER = '198.51.100.7';
export const PROXY = '203.0.113.99';
export const STAGING = '198.51.100.9';
export const SOURCE_LABELS = { 'kubevirt.io/domain': 'shop' };

export interface PolicyRulesOptions {
  readonly namespace?: string;
  readonly proxied?: boolean;
}

export function policyRules(
  roles: readonly Role[],
  { namespace = NAMESPACE, proxied = false }: PolicyRulesOptions = {},
): string {
  return firewallRules({
    target: 'kubernetes',
    installation: {
      driver: 'kubernetes',
      managerUrl: `https://${MANAGER}`,
      blockStream: [{ kind: 'public', host: STAGING, port: 1500 }],
      stagingProxyUrl: null,
    },
    request: {
      roles,
      route: null,
      address: null,
      sources: [parseNetwork('203.0.113.0/27', 'sources')],
      staging: [networkOf(STAGING)],
      manager: [],
      operators: [networkOf(OPERATOR)],
      resolvers: [],
      proxyUrl: proxied ? `http://${PROXY}:3128` : null,
      blockStreamProxyUrl: null,
      anywhere: false,
    },
    options: {
      otherTraffic: 'drop',
      network: null,
      namespace,
      release: RELEASE,
      selector: SOURCE_LABELS,
      storageAccount: null,
    },
    lookup: () => [],
  }).text;
}
