// Which rules each role needs, on each way; and that what cannot be known is asked for by the option that tells it.

import { expect, test } from '@jest/globals';
import { INSTALLATION, lookup, network, REQUEST } from '../../test/installation.ts';
import type { InstallationNetwork, ResolverPolicy, Role, RuleRequest } from './model.ts';
import { formatNetwork } from './network.ts';
import { planRules } from './plan.ts';

const UNFILTERED: ResolverPolicy = { kind: 'unfiltered' };
const GIVEN: ResolverPolicy = { kind: 'given' };
const V4 = { sources: [network('203.0.113.0/24')] };
const ADDRESSED: InstallationNetwork = { ...INSTALLATION, managerUrl: 'https://198.51.100.7' };

function plan(role: Role, change: Partial<RuleRequest> = {}, installation = ADDRESSED, resolver = UNFILTERED) {
  const request = { ...REQUEST, ...V4, ...change, roles: [role] };
  return planRules({ installation, request, lookup, resolver })
    .roles.flatMap(({ rules }) => rules)
    .map(({ direction, protocol, port, peers }) =>
      [direction, protocol, port, peers.map(formatNetwork).join('+')].join(' '),
    );
}

const PROXY = { proxyUrl: 'http://203.0.113.3:3128' };
const TO_STAGING = ['egress tcp 1500 198.51.100.9/32', 'egress tcp 31500 10.20.0.9/32'];
const AT_STAGING = ['ingress tcp 1500 203.0.113.0/24', 'ingress tcp 31500 203.0.113.0/24'];
const OPERATORS = 'ingress tcp 443 192.0.2.0/28';

test.each<readonly [Role, string, Partial<RuleRequest>, readonly string[]]>([
  ['source', 'directly', {}, [...TO_STAGING, 'egress tcp 443 198.51.100.7/32']],
  ['source', 'by a proxy', PROXY, [...TO_STAGING, 'egress tcp 3128 203.0.113.3/32']],
  ['source', 'by the public address', { address: 'public' }, [TO_STAGING[0] ?? '', 'egress tcp 443 198.51.100.7/32']],
  ['source', 'by the private address', { address: 'private' }, [TO_STAGING[1] ?? '', 'egress tcp 443 198.51.100.7/32']],
  ['staging', 'directly', {}, [...AT_STAGING, 'egress tcp 443 198.51.100.7/32']],
  ['staging', 'by a proxy', PROXY, [...AT_STAGING, 'egress tcp 3128 203.0.113.3/32']],
  [
    'staging',
    'directly although there is a proxy',
    { ...PROXY, route: 'direct' },
    [...AT_STAGING, 'egress tcp 443 198.51.100.7/32'],
  ],
  ['manager', 'directly', {}, ['ingress tcp 443 203.0.113.0/24', 'ingress tcp 443 198.51.100.64/26', OPERATORS]],
  ['manager', 'by a proxy', PROXY, [OPERATORS, 'ingress tcp 443 203.0.113.3/32']],
  ['manager', 'without operators', { ...PROXY, operators: [] }, ['ingress tcp 443 203.0.113.3/32']],
  [
    'proxy',
    'by a proxy',
    PROXY,
    ['ingress tcp 3128 203.0.113.0/24', 'ingress tcp 3128 198.51.100.64/26', 'egress tcp 443 198.51.100.7/32'],
  ],
])('%s, %s: what is needed, and nothing else', (role, _way, change, expected) => {
  expect(plan(role, change)).toEqual(expected);
});

test('1500 goes by a proxy only where one is named for it, and then to nobody else', () => {
  const both = { ...PROXY, blockStreamProxyUrl: 'http://203.0.113.8:8080' };
  expect(plan('source', both)).toEqual(['egress tcp 3128 203.0.113.3/32', 'egress tcp 8080 203.0.113.8/32']);
  expect(plan('staging', both)).toEqual([
    'ingress tcp 1500 203.0.113.8/32',
    'ingress tcp 31500 203.0.113.8/32',
    'egress tcp 3128 203.0.113.3/32',
  ]);
  expect(plan('proxy', both)).toEqual([
    'ingress tcp 3128 203.0.113.0/24',
    'ingress tcp 3128 198.51.100.64/26',
    'ingress tcp 8080 203.0.113.0/24',
    'egress tcp 443 198.51.100.7/32',
    ...TO_STAGING,
  ]);
  const alone = { blockStreamProxyUrl: both.blockStreamProxyUrl };
  expect(plan('source', alone)).toEqual(['egress tcp 443 198.51.100.7/32', 'egress tcp 8080 203.0.113.8/32']);
  expect(plan('proxy', alone)).toEqual(['ingress tcp 8080 203.0.113.0/24', ...TO_STAGING]);
});

test('replication servers go by the proxy of the Replication Settings while source machines go directly', () => {
  const settings = { ...ADDRESSED, stagingProxyUrl: 'https://203.0.113.4:3129' };
  expect(plan('staging', {}, settings)).toEqual([...AT_STAGING, 'egress tcp 3129 203.0.113.4/32']);
  expect(plan('source', {}, settings)).toEqual([...TO_STAGING, 'egress tcp 443 198.51.100.7/32']);
  expect(plan('manager', {}, settings)).toEqual([
    'ingress tcp 443 203.0.113.0/24',
    OPERATORS,
    'ingress tcp 443 203.0.113.4/32',
  ]);
});

test('ports are those of this installation', () => {
  const other: InstallationNetwork = {
    ...INSTALLATION,
    managerUrl: 'https://198.51.100.7:8443',
    blockStream: [{ kind: 'public', host: '198.51.100.9', port: 15_000 }],
  };
  expect(plan('source', {}, other)).toEqual(['egress tcp 15000 198.51.100.9/32', 'egress tcp 8443 198.51.100.7/32']);
  expect(plan('manager', { ...PROXY, operators: [] }, other)).toEqual(['ingress tcp 8443 203.0.113.3/32']);
});

test('names lead to all of their addresses, and to a rule for DNS where the platform filters it', () => {
  const dns = { resolvers: [network('192.0.2.53')] };
  const names = ['egress udp 53 192.0.2.53/32', 'egress tcp 53 192.0.2.53/32'];
  expect(plan('staging', dns, INSTALLATION, GIVEN)).toEqual([
    ...AT_STAGING,
    'egress tcp 443 198.51.100.7/32',
    'egress tcp 443 2001:db8::7/128',
    ...names,
  ]);
  // The proxy asks for the manager's name, not who goes by it.
  expect(plan('staging', { ...dns, ...PROXY }, INSTALLATION, GIVEN)).toEqual([
    ...AT_STAGING,
    'egress tcp 3128 203.0.113.3/32',
  ]);
  expect(plan('proxy', { ...dns, ...PROXY }, INSTALLATION, GIVEN)).toEqual(expect.arrayContaining(names));
  expect(plan('staging', {}, INSTALLATION, UNFILTERED).join(' ')).not.toContain(' 53 ');
  expect(plan('staging', {}, ADDRESSED, GIVEN).join(' ')).not.toContain(' 53 ');
});

test('on one host the replication server and the manager need no rule between them', () => {
  const host: InstallationNetwork = { ...ADDRESSED, driver: 'host' };
  expect(plan('manager', { staging: [] }, host)).toEqual(['ingress tcp 443 203.0.113.0/24', OPERATORS]);
});

const OWN_HOST: InstallationNetwork = { ...ADDRESSED, managerUrl: 'https://127.0.0.1:8443' };
const UNKNOWN: InstallationNetwork = { ...ADDRESSED, managerUrl: 'https://nowhere.example.com' };
const NO_STREAM: InstallationNetwork = { ...ADDRESSED, blockStream: [] };
const PUBLIC_ONLY: InstallationNetwork = { ...ADDRESSED, blockStream: ADDRESSED.blockStream.slice(0, 1) };

test.each<readonly [string, string, Role, Partial<RuleRequest>, InstallationNetwork, ResolverPolicy]>([
  ['where source machines are', '--source', 'staging', { sources: [] }, ADDRESSED, UNFILTERED],
  ['where replication servers are', '--staging', 'manager', { staging: [] }, ADDRESSED, UNFILTERED],
  ['which proxy', '--proxy', 'source', { route: 'proxy' }, ADDRESSED, UNFILTERED],
  ['that there is a proxy', '--proxy', 'proxy', {}, ADDRESSED, UNFILTERED],
  ['who tells addresses', '--dns', 'source', {}, INSTALLATION, GIVEN],
  ['the manager from outside', '--manager', 'source', {}, OWN_HOST, UNFILTERED],
  ['what the name leads to', '--manager', 'source', {}, UNKNOWN, UNFILTERED],
  ['any address for 1500', '--block-stream', 'source', {}, NO_STREAM, UNFILTERED],
  ['the private address', '--block-stream', 'source', { address: 'private' }, PUBLIC_ONLY, UNFILTERED],
  ['that everybody is meant', '--operator', 'manager', { operators: [network('::/0')] }, ADDRESSED, UNFILTERED],
])('what cannot be known has to be told: %s, by %s', (_what, field, role, change, installation, resolver) => {
  expect(() => plan(role, change, installation, resolver)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field, action: expect.stringContaining(field) }),
  );
});

test('--manager is taken in the place of what the URL leads to, and --anywhere of what was not told', () => {
  expect(plan('source', { manager: [network('192.0.2.7')] }, OWN_HOST)).toContain('egress tcp 8443 192.0.2.7/32');
  expect(plan('staging', { sources: [], anywhere: true }).slice(0, 2)).toEqual([
    'ingress tcp 1500 0.0.0.0/0',
    'ingress tcp 1500 ::/0',
  ]);
});
