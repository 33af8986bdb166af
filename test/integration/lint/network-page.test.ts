// docs/network.md says of each sentence of the page that this product takes its shape from which tests prove it: they are there.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';

const REPOSITORY = join(import.meta.dirname, '../../..');
const PAGE = 'docs/network.md';
const text = readFileSync(join(REPOSITORY, PAGE), 'utf8');
const rows = text
  .slice(text.indexOf('| the page says |'))
  .split('\n')
  .slice(2)
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(/(?<!\\) \| |^\| | \|$/).filter((cell) => cell !== ''));

test('every sentence has a feature and a test, and every test that is named is there', () => {
  expect(rows.length).toBeGreaterThanOrEqual(30);
  for (const row of rows) {
    const [sentence, feature = '', tests = ''] = row;
    const paths = [...tests.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    expect({ sentence, cells: row.length, feature: feature === '', tests: paths.length === 0 }).toEqual({
      sentence,
      cells: 3,
      feature: false,
      tests: false,
    });
    const missing = paths.filter((path) => !path.endsWith('.test.ts') || !existsSync(join(REPOSITORY, path)));
    expect({ sentence, missing }).toEqual({ sentence, missing: [] });
  }
});

test('every page that it leads to is there', () => {
  const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, path = '']) => path);
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter((path) => !existsSync(join(REPOSITORY, dirname(PAGE), path)))).toEqual([]);
});
