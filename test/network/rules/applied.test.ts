// Rules as `lms network rules` writes them, put into force on hosts of a test network: what an installation needs goes through, and
// nothing else of all that is tried: other ports, other addresses, other hosts, the other direction, the other family of addresses.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { firewallRules, networkOf, type InstallationNetwork, type RulesOptions, type RuleRequest } from '@lms/network';
import { Cleanup } from '../../harness/cleanup.ts';
import { RulesWorld, type HostName } from './world.ts';

const cleanup = new Cleanup();
let world: RulesWorld;

beforeAll(async () => {
  world = await RulesWorld.create(cleanup);
});

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

interface Case {
  readonly roles: RuleRequest['roles'];
  readonly on: HostName;
  readonly way?: Partial<RuleRequest>;
  readonly proxied?: true;
  /** 1500 too. */
  readonly streamProxied?: true;
  readonly names?: true;
  readonly overIpv6?: true;
  readonly operators?: readonly HostName[];
  /** `host protocol port` that it gets an answer from. */
  readonly out: readonly string[];
  /** `host protocol port`: who gets an answer from it. */
  readonly in: readonly string[];
}

const OPTIONS: Omit<RulesOptions, 'otherTraffic'> = {
  network: null,
  namespace: 'lms',
  release: 'lms',
  selector: null,
  storageAccount: null,
};

function rulesOf(
  target: 'nftables' | 'iptables',
  { roles, way, proxied, streamProxied, names, overIpv6, operators = [] }: Case,
  otherTraffic: RulesOptions['otherTraffic'] = 'drop',
): string {
  const at = (host: HostName): string => world.address(host, overIpv6 === true ? 6 : 0);
  const url = (scheme: string, host: string, port: number): string =>
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const installation: InstallationNetwork = {
    driver: 'kubernetes',
    managerUrl: url('https', names === true ? 'manager.test' : at('manager'), 443),
    blockStream: [
      { kind: 'public', host: at('staging'), port: 1500 },
      ...(overIpv6 === true ? [] : [{ kind: 'private', host: world.address('staging', 1), port: 1500 } as const]),
    ],
    stagingProxyUrl: null,
  };
  const request: RuleRequest = {
    roles,
    route: null,
    address: null,
    sources: [networkOf(at('source'))],
    staging: [networkOf(at('staging'))],
    manager: [],
    operators: operators.map((host) => networkOf(at(host))),
    resolvers: [networkOf(at('stranger'))],
    proxyUrl: proxied === true ? url('http', at('proxy'), 3128) : null,
    blockStreamProxyUrl: streamProxied === true ? url('http', at('proxy'), 3128) : null,
    anywhere: false,
    ...way,
  };
  return firewallRules({
    target,
    installation,
    request,
    options: { ...OPTIONS, otherTraffic },
    lookup: () => [at('manager')],
  }).text;
}

const TO_MANAGER = ['manager tcp 443'];
const TO_PROXY = ['proxy tcp 3128'];
const TO_STAGING = ['staging tcp 1500', 'staging/1 tcp 1500'];

const CASES: Readonly<Record<string, Case>> = {
  'a source machine, directly': { roles: ['source'], on: 'source', out: [...TO_MANAGER, ...TO_STAGING], in: [] },
  'a source machine, by a proxy': {
    roles: ['source'],
    on: 'source',
    proxied: true,
    out: [...TO_PROXY, ...TO_STAGING],
    in: [],
  },
  'a source machine, all by a proxy': {
    roles: ['source'],
    on: 'source',
    proxied: true,
    streamProxied: true,
    out: TO_PROXY,
    in: [],
  },
  'a source machine, by the private address, with names': {
    roles: ['source'],
    on: 'source',
    way: { address: 'private' },
    names: true,
    out: [...TO_MANAGER, 'staging/1 tcp 1500', 'stranger tcp 53', 'stranger udp 53'],
    in: [],
  },
  'a source machine, over IPv6': {
    roles: ['source'],
    on: 'source',
    overIpv6: true,
    out: ['manager/6 tcp 443', 'staging/6 tcp 1500'],
    in: [],
  },
  'a replication server, directly': {
    roles: ['staging'],
    on: 'staging',
    out: TO_MANAGER,
    in: ['source tcp 1500', 'source tcp 1500'],
  },
  'a replication server, by a proxy': {
    roles: ['staging'],
    on: 'staging',
    proxied: true,
    out: TO_PROXY,
    in: ['source tcp 1500', 'source tcp 1500'],
  },
  'the manager, directly': {
    roles: ['manager'],
    on: 'manager',
    out: [],
    in: ['source tcp 443', 'staging tcp 443'],
  },
  'the manager, by a proxy, and an operator': {
    roles: ['manager'],
    on: 'manager',
    proxied: true,
    operators: ['stranger'],
    out: [],
    in: ['proxy tcp 443', 'stranger tcp 443'],
  },
  'a proxy of 1500 too': {
    roles: ['proxy'],
    on: 'proxy',
    proxied: true,
    streamProxied: true,
    out: [...TO_MANAGER, ...TO_STAGING],
    in: ['source tcp 3128', 'staging tcp 3128'],
  },
};

async function seen(on: HostName): Promise<Pick<Case, 'in' | 'out'>> {
  const [out, reaching] = await Promise.all([world.reachedFrom(on), world.reaching(on)]);
  return { out, in: reaching };
}

test('without rules everything answers', async () => {
  const { out, in: reaching } = await seen('source');
  // Four hosts, six ports, two protocols, and each host's addresses.
  expect(out).toHaveLength((4 * 2 + 1) * 6 * 2);
  expect(reaching).toHaveLength(4 * 2 * 6 * 2);
});

test.each(Object.entries(CASES))('nftables lets through what is needed, and nothing else: %s', async (_name, one) => {
  const host = world.host(one.on);
  const rules = rulesOf('nftables', one);
  // Twice: applied again, the same text takes the place of what it made before.
  await host.nft(rules);
  await host.nft(rules);
  try {
    expect(await seen(one.on)).toEqual({ out: one.out.toSorted(), in: one.in.toSorted() });
  } finally {
    await host.nft('delete table inet lms');
  }
});

const BY_IPTABLES = [
  'a source machine, over IPv6',
  'a replication server, directly',
  'the manager, by a proxy, and an operator',
];

test.each(BY_IPTABLES)('iptables lets through what is needed, and nothing else: %s', async (name) => {
  const one = CASES[name] as Case;
  const host = world.host(one.on);
  for (const program of ['iptables-restore', 'ip6tables-restore']) {
    for (const parameters of [['--test', '--noflush'], ['--noflush'], ['--noflush']]) {
      const { exitCode, stderr } = await host.try(program, parameters, { input: rulesOf('iptables', one) });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    }
  }
  try {
    expect(await seen(one.on)).toEqual({ out: one.out.toSorted(), in: one.in.toSorted() });
  } finally {
    await host.nft('flush ruleset');
  }
});

test('rules that leave others alone let through what is needed where a firewall that is there already jumps to them', async () => {
  const one = CASES['a replication server, directly'] as Case;
  const host = world.host(one.on);
  await host.nft(`table inet filter {
    chain input { type filter hook input priority 0; policy drop; ct state established accept; tcp dport 22 accept; }
    chain output { type filter hook output priority 0; policy drop; ct state established accept; }
  }`);
  try {
    await host.nft(rulesOf('nftables', one, 'leave'));
    await host.nft('add rule inet filter input jump lms-input\nadd rule inet filter output jump lms-output\n');
    // Applied again, the jumps are still there.
    await host.nft(rulesOf('nftables', one, 'leave'));
    const { out, in: reaching } = await seen(one.on);
    expect(out).toEqual(one.out.toSorted());
    expect(reaching.filter((line) => !line.endsWith(' tcp 22'))).toEqual(one.in.toSorted());
    expect(reaching).toContain('stranger tcp 22');
  } finally {
    await host.nft('flush ruleset');
  }
});
