// Every form says exactly what was planned, in words that the format's own schema allows.

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { Json } from '../../../test/json-reader.ts';
import { INSTALLATION, lookup, network, OPTIONS, REQUEST } from '../../../test/installation.ts';
import { READ_BACK } from '../../../test/read-back.ts';
import { firewallRules, TARGET_NAMES } from '../../index.ts';
import type { RulesOptions, RuleRequest, TargetName } from '../../index.ts';
import { formatNetwork, type Network } from '../network.ts';
import { planRules } from '../plan.ts';
import { TARGETS } from './index.ts';

const WITH_SCHEMA = ['aws', 'azure', 'gcp', 'ibm', 'terraform-aws', 'terraform-azure', 'terraform-gcp'] as const;
const CLOUDS = TARGET_NAMES.filter((name) => !TARGETS[name].oneHost && name !== 'kubernetes');

const ways: readonly (readonly [string, Partial<RuleRequest>])[] = [
  ['directly, by every address', {}],
  ['by the private address', { address: 'private' }],
  ['by a proxy', { proxyUrl: 'http://proxy.example.com:3128' }],
  ['open to everybody', { anywhere: true, sources: [], staging: [] }],
];

function rules(target: TargetName, change: Partial<RuleRequest> = {}, options: Partial<RulesOptions> = {}) {
  const oneHost = TARGETS[target].oneHost;
  const request: RuleRequest = {
    ...REQUEST,
    ...(oneHost && { roles: ['source', 'staging', 'manager'], resolvers: [network('192.0.2.53')] }),
    ...(target === 'kubernetes' && { roles: ['source'] }),
    ...change,
  };
  const all: RulesOptions = {
    ...OPTIONS,
    ...(target === 'ibm' && { network: 'r006-4727d842' }),
    ...(target === 'kubernetes' && { selector: { 'kubevirt.io/domain': 'shop' } }),
    ...options,
  };
  const plan = planRules({ installation: INSTALLATION, request, lookup, resolver: TARGETS[target].resolver });
  const written = firewallRules({ target, installation: INSTALLATION, request, options: all, lookup });
  const family4 = (one: Network): boolean => target !== 'ibm' || one.family === 4;
  const planned = plan.roles.flatMap(({ role, rules: ofRole }) =>
    ofRole.flatMap(({ direction, protocol, port, peers }) =>
      peers
        .filter(family4)
        .map((peer) => `${oneHost ? 'host' : role} ${direction} ${protocol} ${port} ${formatNetwork(peer)}`),
    ),
  );
  return { planned: [...planned].sort(), written };
}

/** What the schema of the format has against a text. */
function validated(target: (typeof WITH_SCHEMA)[number], text: string): readonly unknown[] {
  const schema = JSON.parse(
    readFileSync(new URL(`../../../test/schemas/${target}.json`, import.meta.url), 'utf8'),
  ) as object;
  const validate = new Ajv({ allErrors: true, strict: true, strictRequired: false, strictTypes: false }).compile(
    schema,
  );
  const content = JSON.parse(text) as { readonly resource?: object };
  return validate(target.startsWith('terraform') ? content.resource : content) ? [] : (validate.errors ?? ['invalid']);
}

test.each(TARGET_NAMES.flatMap((target) => ways.map(([way, change]) => [target, way, change] as const)))(
  '%s says what is planned and nothing else: %s',
  (target, _way, change) => {
    const { planned, written } = rules(target, change);
    expect(planned.length).toBeGreaterThan(2);
    expect([...READ_BACK[target](written.text)].sort()).toEqual(planned);
  },
);

test.each(WITH_SCHEMA.flatMap((target) => ways.map(([way, change]) => [target, way, change] as const)))(
  '%s is of the form that its schema allows: %s',
  (target, _way, change) => {
    expect(validated(target, rules(target, change).written.text)).toEqual([]);
  },
);

test.each(TARGET_NAMES)('%s lets nobody through by 0.0.0.0/0 or ::/0 unless --anywhere is said', (target) => {
  const everybody = (lines: readonly string[]) => lines.filter((line) => / (0\.0\.0\.0|::)\/0$/.test(line));
  expect(everybody(READ_BACK[target](rules(target).written.text))).toEqual([]);
  expect(() => rules(target, { sources: [network('0.0.0.0/0')] })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field: '--source' }),
  );
});

test.each(CLOUDS)('%s: everything else is denied, or not said where others are to be left alone', (target) => {
  const denies = (text: string): boolean => /"deny|"Deny"|"denied"|127\.0\.0\.1\/32/.test(text);
  // What AWS and IBM do not allow they deny, whatever else is there.
  const always = ['aws', 'ibm', 'terraform-aws'].includes(target);
  const left = rules(target, {}, { otherTraffic: 'leave' });
  if (!always) expect([denies(rules(target).written.text), denies(left.written.text)]).toEqual([true, false]);
  expect([...READ_BACK[target](left.written.text)].sort()).toEqual(left.planned);
});

test('a role without egress has a group of AWS that sends nothing, instead of the one that sends everything', () => {
  const group = Json.parse(rules('aws', { roles: ['manager'] }).written.text).at('Resources', 'ManagerSecurityGroup');
  const egress = group.at('Properties', 'SecurityGroupEgress').items.map((entry) => entry.at('CidrIp').text);
  expect(egress).toEqual(['127.0.0.1/32']);
});

test('rules of one Azure group have different priorities, and those that deny come last', () => {
  const groups = Json.parse(rules('azure').written.text).at('resources').items;
  expect(groups).toHaveLength(3);
  for (const group of groups) {
    const ofGroup = group.at('properties', 'securityRules').items.map((rule) => rule.at('properties'));
    const places = ofGroup.map((rule) => `${rule.at('direction').text} ${rule.at('priority').text}`);
    expect(new Set(places).size).toBe(places.length);
    const allowed = ofGroup.filter((rule) => rule.at('access').text === 'Allow');
    expect(allowed.every((rule) => Number(rule.at('priority').text) < 4096)).toBe(true);
  }
});

const SUBNET = '/subscriptions/1/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/staging';

test.each(['azure', 'terraform-azure'] as const)(
  '%s: a storage account lets in the manager and the replication servers, and says what it cannot let in',
  (target) => {
    const staging = ['198.51.100.64/26', '10.20.0.0/16'].map(network);
    const storageAccount = { name: 'replicas', subnets: [SUBNET] };
    const { text, notes } = rules(target, { staging }, { storageAccount }).written;
    const json = Json.parse(text);
    const account =
      target === 'azure'
        ? json.at('resources').items[3]?.at('properties', 'networkAcls')
        : json.at('resource', 'azurerm_storage_account_network_rules', 'lms');
    const ips = account
      ?.either('ipRules', 'ip_rules')
      .items.map((item) => (target === 'azure' ? item.at('value') : item));
    expect(ips?.map((item) => item.text)).toEqual(['198.51.100.7', '198.51.100.64/26']);
    const subnets = account?.either('virtualNetworkRules', 'virtual_network_subnet_ids').items;
    expect(subnets?.map((item) => (target === 'azure' ? item.at('id') : item).text)).toEqual([SUBNET]);
    expect(account?.either('defaultAction', 'default_action').text).toBe('Deny');
    expect(notes.join(' ')).toContain('2001:db8::7/128, 10.20.0.0/16 must come by a subnet');
    expect(validated(target, text)).toEqual([]);
  },
);
