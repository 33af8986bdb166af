// An installation on two networks, and what somebody asks rules for.

import { parseNetwork } from '../src/index.ts';
import type { InstallationNetwork, Network, RulesOptions, RuleRequest } from '../src/index.ts';

export const network = (text: string): Network => parseNetwork(text, 'test');

export const INSTALLATION: InstallationNetwork = {
  driver: 'kubernetes',
  managerUrl: 'https://manager.example.com',
  blockStream: [
    { kind: 'public', host: '198.51.100.9', port: 1500 },
    { kind: 'private', host: '10.20.0.9', port: 31_500 },
  ],
  stagingProxyUrl: null,
};

export const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'manager.example.com': ['198.51.100.7', '2001:db8::7'],
  'proxy.example.com': ['203.0.113.3'],
};

export const lookup = (host: string): readonly string[] => ADDRESSES[host] ?? [];

export const REQUEST: RuleRequest = {
  roles: [],
  route: null,
  address: null,
  sources: [network('203.0.113.0/24'), network('2001:db8:1::/48')],
  staging: [network('198.51.100.64/26')],
  manager: [],
  operators: [network('192.0.2.0/28')],
  resolvers: [],
  proxyUrl: null,
  blockStreamProxyUrl: null,
  anywhere: false,
};

export const OPTIONS: RulesOptions = {
  otherTraffic: 'drop',
  network: null,
  namespace: 'lms',
  release: 'lms',
  selector: null,
  storageAccount: null,
};
