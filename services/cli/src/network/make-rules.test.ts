// What the manager says of its installation, and what was given, become rules; only what neither says is asked for.

import { expect, test } from '@jest/globals';
import type { NetworkAnswer, OperatorApi } from '@lms/api';
import { parseNetwork } from '@lms/network';
import { Command } from 'commander';
import { makeRules, type RulesCommandOptions } from './make-rules.ts';
import { collectBlockStream, collectLabels, collectNetworks } from './option-values.ts';

const ID = 'm-0123456789abcdef0123';
const ANSWER: NetworkAnswer = {
  driver: 'kubernetes',
  managerUrl: 'https://198.51.100.7:8443',
  consoleUrl: 'https://198.51.100.7:8443',
  blockStream: [{ kind: 'public', host: '198.51.100.9', port: 1500 }],
  machines: [{ id: ID, blockStream: [{ kind: 'private', host: '10.20.0.9', port: 31_500 }] }],
  stagingProxyUrl: null,
  ports: [],
  clouds: [],
};
const OPTIONS: RulesCommandOptions = {
  for: 'nftables',
  role: ['source'],
  anywhere: false,
  otherTraffic: 'drop',
  namespace: 'lms',
  release: 'lms',
};

function made(change: Partial<RulesCommandOptions> = {}, answer: Partial<NetworkAnswer> = {}) {
  const api = {
    network: () => Promise.resolve({ ...ANSWER, ...answer }),
    machine: (idOrName: string) => Promise.resolve({ id: idOrName === 'shop' ? ID : `${ID}9` }),
  } as unknown as OperatorApi;
  return makeRules(api, { ...OPTIONS, ...change }, new AbortController().signal);
}

const destinations = (text: string): readonly string[] =>
  [...text.matchAll(/ip6? daddr \{ ([^}]+) \} \w+ dport (\d+)/g)].map(([, to, port]) => `${to} ${port}`);

test('rules of all machines have the addresses of all, those of named machines only theirs', async () => {
  const manager = '198.51.100.7/32 8443';
  const all = (await made()).result.table();
  expect(destinations(all)).toEqual(['198.51.100.9/32 1500', '10.20.0.9/32 31500', manager]);
  const one = (await made({ machine: ['shop'] })).result.table();
  expect(destinations(one)).toEqual(['10.20.0.9/32 31500', manager]);
  const other = (await made({ machine: ['other'] })).result.table();
  expect(destinations(other)).toEqual(['198.51.100.9/32 1500', manager]);
});

test('what is given takes the place of what the manager says', async () => {
  const blockStream = [{ kind: 'public', host: '2001:db8::9', port: 15_000 } as const];
  const { result } = await made({ blockStream, manager: [parseNetwork('192.0.2.7', '--manager')] });
  expect(destinations(result.table())).toEqual(['2001:db8::9/128 15000', '192.0.2.7/32 8443']);
});

test('a name is what it leads to from here; one that leads to this host alone is of no use to others', async () => {
  await expect(made({}, { managerUrl: 'https://localhost:8443' })).rejects.toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field: '--manager' }),
  );
});

test('the text is the result, and what has to be known about it is said beside it', async () => {
  const { result, remarks } = await made();
  expect(result.table()).toContain('type filter hook output priority filter; policy drop;');
  expect(result.value).toMatchObject({ for: 'nftables', apply: 'nft --file FILE', text: `${result.table()}\n` });
  expect(remarks.join('\n')).toContain('Everything else that this host sends or is sent is dropped');
  expect(remarks.at(-1)).toBe('nftables. Put into force by: nft --file FILE');
});

test('a subnet of no storage account is asked about', async () => {
  await expect(made({ for: 'azure', storageSubnet: ['/subscriptions/1'] })).rejects.toThrow(
    expect.objectContaining({ field: '--storage-account' }),
  );
});

test('several networks come behind each other, with commas between, or by the option again', () => {
  const collect = collectNetworks('--source');
  expect(collect('10.0.0.1/8,192.0.2.1', collect('fd00::/8', undefined)).map(({ address }) => address)).toEqual([
    'fd00::',
    '10.0.0.0',
    '192.0.2.1',
  ]);
  expect(() => collect('10.0.0.0/99', undefined)).toThrow('10.0.0.0/99 is no network');
  const parsed = new Command()
    .option('--source <network...>', '', collect)
    .parse(['--source', '10.0.0.0/8', '192.0.2.0/24'], {
      from: 'user',
    });
  expect(parsed.opts<{ source: readonly unknown[] }>().source).toHaveLength(2);
});

test('an address for 1500 is public or private as addresses are, and a name is public', () => {
  const kinds = ['10.1.1.1:1500', '[fd00::1]:1500', '198.51.100.9:1500', 'stream.example.com:1500'].map((text) => {
    const [{ kind } = { kind: null }] = collectBlockStream(text, undefined);
    return kind;
  });
  expect(kinds).toEqual(['private', 'private', 'public', 'public']);
  for (const wrong of ['1500', 'host', 'host:0', 'fd00::1:1500'])
    expect(() => collectBlockStream(wrong, undefined)).toThrow();
  expect(collectLabels('app=vm', { 'kubevirt.io/domain': 'shop' })).toEqual({
    'kubevirt.io/domain': 'shop',
    app: 'vm',
  });
});
