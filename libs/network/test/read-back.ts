// What a text of rules says, read by nothing of what wrote it: `role direction protocol port network` for each thing let through.

import { parseAllDocuments } from 'yaml';
import type { TargetName } from '../src/index.ts';
import { Json } from './json-reader.ts';

const WAYS: Readonly<Record<string, string>> = {
  Inbound: 'ingress',
  Outbound: 'egress',
  inbound: 'ingress',
  outbound: 'egress',
  INGRESS: 'ingress',
  EGRESS: 'egress',
};

const role = (name: Json): string => name.text.replace(/^lms[-_]/, '');
const way = (direction: Json): string => WAYS[direction.text] ?? direction.text;

/** Both ends of a range that has one port. */
function onePort(first: Json, last: Json): string {
  if (first.text !== last.text) throw new Error(`a range of ports: ${first.text} to ${last.text}`);
  return first.text;
}

function aws(text: string): readonly string[] {
  return Json.parse(text)
    .at('Resources')
    .values.map((resource) => resource.at('Properties'))
    .flatMap((group) =>
      ['Ingress', 'Egress'].flatMap((direction) =>
        group
          .at(`SecurityGroup${direction}`)
          .items.filter((entry) => entry.either('CidrIp', 'CidrIpv6').text !== '127.0.0.1/32')
          .map((entry) => {
            const port = onePort(entry.at('FromPort'), entry.at('ToPort'));
            const peer = entry.either('CidrIp', 'CidrIpv6').text;
            return [role(group.at('GroupName')), direction.toLowerCase(), entry.at('IpProtocol').text, port, peer].join(
              ' ',
            );
          }),
      ),
    );
}

interface NsgWords {
  readonly ranges: readonly [string, string];
  readonly port: string;
}

/** A rule of a network security group, in either of its two spellings. */
function nsgRule(group: string, rule: Json, { ranges, port }: NsgWords): readonly string[] {
  if (rule.at('access').text !== 'Allow') return [];
  const protocol = rule.at('protocol').text.toLowerCase();
  return rule
    .either(...ranges)
    .items.map(({ text }) => [group, way(rule.at('direction')), protocol, rule.at(port).text, text].join(' '));
}

function azure(text: string): readonly string[] {
  const words: NsgWords = {
    ranges: ['sourceAddressPrefixes', 'destinationAddressPrefixes'],
    port: 'destinationPortRange',
  };
  return Json.parse(text)
    .at('resources')
    .items.filter((resource) => resource.at('type').text.endsWith('networkSecurityGroups'))
    .flatMap((group) =>
      group
        .at('properties', 'securityRules')
        .items.flatMap((rule) => nsgRule(role(group.at('name')), rule.at('properties'), words)),
    );
}

function terraformAzure(text: string): readonly string[] {
  const words: NsgWords = {
    ranges: ['source_address_prefixes', 'destination_address_prefixes'],
    port: 'destination_port_range',
  };
  return Json.parse(text)
    .at('resource', 'azurerm_network_security_rule')
    .values.flatMap((rule) =>
      nsgRule(/group\.lms_(\w+)\.name/.exec(rule.at('network_security_group_name').text)?.[1] ?? '', rule, words),
    );
}

interface FirewallWords {
  readonly ranges: readonly [string, string];
  readonly tags: string;
  readonly allow: string;
  readonly protocol: string;
}

function firewalls(rules: readonly Json[], { ranges, tags, allow, protocol }: FirewallWords): readonly string[] {
  return rules.flatMap((rule) =>
    rule.at(allow).items.flatMap((allowed) =>
      allowed.at('ports').items.flatMap((port) =>
        rule.either(...ranges).items.map((range) => {
          const tag = rule.at(tags).items[0] ?? rule.at(tags);
          return [role(tag), way(rule.at('direction')), allowed.at(protocol).text, port.text, range.text].join(' ');
        }),
      ),
    ),
  );
}

function gcp(text: string): readonly string[] {
  return firewalls(Json.parse(text).items, {
    ranges: ['sourceRanges', 'destinationRanges'],
    tags: 'targetTags',
    allow: 'allowed',
    protocol: 'IPProtocol',
  });
}

function terraformGcp(text: string): readonly string[] {
  return firewalls(Json.parse(text).at('resource', 'google_compute_firewall').values, {
    ranges: ['source_ranges', 'destination_ranges'],
    tags: 'target_tags',
    allow: 'allow',
    protocol: 'protocol',
  });
}

function ibm(text: string): readonly string[] {
  return Json.parse(text).items.flatMap((group) =>
    group.at('rules').items.map((rule) => {
      const remote = rule.at('remote');
      const network = remote.has('address') ? `${remote.at('address').text}/32` : remote.at('cidr_block').text;
      const port = onePort(rule.at('port_min'), rule.at('port_max'));
      return [role(group.at('name')), way(rule.at('direction')), rule.at('protocol').text, port, network].join(' ');
    }),
  );
}

function terraformAws(text: string): readonly string[] {
  return ['ingress', 'egress'].flatMap((direction) =>
    Json.parse(text)
      .at('resource', `aws_vpc_security_group_${direction}_rule`)
      .values.map((rule) => {
        const group = /aws_security_group\.lms_(\w+)\.id/.exec(rule.at('security_group_id').text)?.[1] ?? '';
        const port = onePort(rule.at('from_port'), rule.at('to_port'));
        return [group, direction, rule.at('ip_protocol').text, port, rule.either('cidr_ipv4', 'cidr_ipv6').text].join(
          ' ',
        );
      }),
  );
}

/** Of one host: no role stands in it. */
function nftables(text: string): readonly string[] {
  const rules = text.matchAll(/^\s+(?:ip6?) ([sd])addr \{ ([^}]+) \} (\w+) dport (\d+) ct state new accept/gm);
  return [...rules].flatMap(([, end, set = '', protocol, port]) =>
    set.split(', ').map((network) => ['host', end === 's' ? 'ingress' : 'egress', protocol, port, network].join(' ')),
  );
}

function iptables(text: string): readonly string[] {
  const rules = text.matchAll(/^-[46] -A LMS-\w+ (-[sd]) (\S+) -p (\w+) -m \w+ --dport (\d+) .*-j ACCEPT$/gm);
  return [...rules].map(([, end, network, protocol, port]) =>
    ['host', end === '-s' ? 'ingress' : 'egress', protocol, port, network].join(' '),
  );
}

/** Blocks of addresses alone: what is among pods is the chart's. */
function kubernetes(text: string): readonly string[] {
  return parseAllDocuments(text)
    .map((document) => new Json(document.toJS()))
    .flatMap((policy) =>
      [
        ['ingress', 'from'],
        ['egress', 'to'],
      ].flatMap(([direction = '', end = '']) =>
        policy.at('spec', direction).items.flatMap((rule) =>
          rule
            .at(end)
            .items.filter((peer) => peer.has('ipBlock'))
            .flatMap((peer) =>
              rule.at('ports').items.map((port) => {
                const name = role(policy.at('metadata', 'name'));
                const protocol = port.at('protocol').text.toLowerCase();
                return [name, direction, protocol, port.at('port').text, peer.at('ipBlock', 'cidr').text].join(' ');
              }),
            ),
        ),
      ),
    );
}

export const READ_BACK: Readonly<Record<TargetName, (text: string) => readonly string[]>> = {
  aws,
  azure,
  gcp,
  ibm,
  nftables,
  iptables,
  kubernetes,
  'terraform-aws': terraformAws,
  'terraform-azure': terraformAzure,
  'terraform-gcp': terraformGcp,
};
