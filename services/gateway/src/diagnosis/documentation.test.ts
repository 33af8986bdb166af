import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CAUSES } from './causes.ts';

const REPOSITORY = join(import.meta.dirname, '../../../..');

test('the page on problems with 1500 names the causes of the code, in the order to mend them', () => {
  const page = readFileSync(join(REPOSITORY, 'docs/troubleshooting-1500.md'), 'utf8');
  const rows = page.matchAll(/^\| `([A-Z0-9_]+)` \| [^|]+ \| [^|]+ \|$/gm);
  expect([...rows].map(([, code]) => code)).toEqual(CAUSES.map(({ code }) => code));
});
