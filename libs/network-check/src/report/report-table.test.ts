import { expect, test } from '@jest/globals';
import type { CheckReport } from '@lms/api';
import { explain } from './report-builder.ts';
import { formatReport, wantsColours } from './report-table.ts';

const report: CheckReport = {
  target: '443',
  from: 'agent',
  to: 'https://manager.test',
  proxy: 'http://proxy.test:3128',
  at: '2026-11-28T12:00:00.000Z',
  result: 'failed',
  steps: [
    { name: 'DNS', state: 'passed', milliseconds: 3, detail: 'proxy.test is 192.0.2.1', reason: null },
    { name: 'TCP', state: 'failed', milliseconds: 5_000, detail: 'does not answer', reason: 'TCP_TIMEOUT' },
  ],
  failure: explain('TCP', 'TCP_TIMEOUT', '192.0.2.1:3128 does not answer'),
};

test('a person sees each step with its time, the failure, its causes in order, and what to do', () => {
  const text = formatReport(report, false);
  expect(text).toContain('agent → https://manager.test by the proxy http://proxy.test:3128: failed');
  expect(text).toMatch(/^DNS +passed +3 ms +proxy\.test is 192\.0\.2\.1$/m);
  expect(text).toMatch(/^TCP +failed +5000 ms +does not answer$/m);
  expect(text).toMatch(/TCP: TCP_TIMEOUT\n {2}192\.0\.2\.1:3128 does not answer\n/);
  expect(text).toMatch(/ {2}1\. A firewall .*\n {2}2\. /);
  expect(text).toContain('What to do: Open the port');
  expect(text).not.toMatch(/\p{Cc}\[/u);
});

test('colours change nothing but the colour', () => {
  const text = formatReport(report, true);
  expect(text).toContain('\u001b[31mfailed\u001b[39m');
  expect(text.replaceAll(/\p{Cc}\[\d+m/gu, '')).toBe(formatReport(report, false));
});

test('colours are for terminals whose user has not refused them', () => {
  expect(wantsColours({ isTTY: true }, {})).toBe(true);
  expect(wantsColours({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColours({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
  expect(wantsColours({}, {})).toBe(false);
});
