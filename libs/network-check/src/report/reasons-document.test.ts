/** docs/network-checks.md has the list of reasons for people. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { CHECK_STEPS } from '@lms/api';
import { PROXY_FAILURE_REASONS } from '@lms/proxy';
import { CHECK_REASONS, isCheckReason } from './reasons.ts';

const page = readFileSync(new URL('../../../../docs/network-checks.md', import.meta.url), 'utf8');

test('the page says of every reason what it means, what it comes from and what to do, in the words of the reports', () => {
  const rows = [...page.matchAll(/^\| `([A-Z_0-9]+)`\s*\| (.*?)\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)].map(
    ([, reason, meaning, causes, action]) => ({ reason, meaning, causes, action }),
  );
  const expected = Object.entries(CHECK_REASONS).map(([reason, { meaning, causes, action }]) => ({
    reason,
    meaning,
    causes: causes.map((cause, index) => `${index + 1}. ${cause}`).join(' '),
    action,
  }));
  expect(rows).toEqual(expected);
});

test('the page has every step', () => {
  for (const step of CHECK_STEPS) expect(page).toMatch(new RegExp(String.raw`^\| ${step}\s*\|`, 'm'));
});

test('every reason of a proxy is known', () => {
  expect(PROXY_FAILURE_REASONS.filter((reason) => !isCheckReason(reason))).toEqual([]);
});
