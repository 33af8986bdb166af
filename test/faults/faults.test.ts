import { afterAll, expect, test } from '@jest/globals';
import { RULES } from './break.ts';
import { BREAKS } from './breaks/index.ts';
import { Search, type Finding } from './search.ts';
import { SourceCopy } from './source-copy.ts';
import { printFindings } from './table.ts';

/** All of them wait for their turn, so the limit of each is that of the suite. */
const TIMEOUT_MILLISECONDS = 900_000;

const search = new Search(new AbortController().signal);
const findings: Finding[] = [];

afterAll(() => {
  search[Symbol.dispose]();
  process.stdout.write(`${printFindings(findings)}\n`);
});

test('every rule has a break, and each break is told apart by its name', () => {
  expect(new Set(BREAKS.map(({ rule }) => rule))).toEqual(new Set(RULES));
  expect(new Set(BREAKS.map(({ what }) => what)).size).toBe(BREAKS.length);
});

test('a break whose text the product has not, or has twice, is refused and not passed over', () => {
  const copy = new SourceCopy();
  const common = { rule: 'R1', what: 'nothing', file: 'services/agent/src/core/disk-map.ts', by: { seed: 1 } };
  try {
    expect(() => copy.apply({ ...common, from: 'no such text', to: '' })).toThrow('0 times, not once');
    expect(() => copy.apply({ ...common, from: 'this.dirty', to: '' })).toThrow('times, not once');
    expect(() => copy.apply({ ...common, file: 'no-such-file.ts', from: 'a', to: '' })).toThrow('there is no');
  } finally {
    copy[Symbol.dispose]();
  }
});

test('an edit that only makes the program crash does not count as found', async () => {
  const crash = {
    rule: 'R1',
    what: 'the map cannot be made',
    file: 'services/agent/src/core/disk-map.ts',
    from: 'this.dirty = new BlockMap(this.blockCount);',
    to: "this.dirty = JSON.parse('{') as BlockMap;",
    by: { test: 'services/agent/src/core/no-such.test.ts' },
  };
  await expect(search.find(crash)).rejects.toThrow('otherwise than by a property');
});

test.concurrent.each(BREAKS.map((broken) => ({ title: `${broken.rule}: ${broken.what}`, broken })))(
  'is found when broken on purpose: $title',
  async ({ broken }) => {
    findings.push(await search.find(broken));
  },
  TIMEOUT_MILLISECONDS,
);
