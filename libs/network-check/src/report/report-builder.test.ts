import { expect, test } from '@jest/globals';
import { CheckReport } from '@lms/api';
import { CHECK_REASONS } from './reasons.ts';
import { CheckEnded, ReportBuilder } from './report-builder.ts';
import { StepFailure } from './step-failure.ts';

const subject = { target: '443', from: 'agent', to: 'https://manager.test', proxy: null, at: new Date(0) } as const;
const passes = (detail: string) => () => Promise.resolve({ outcome: { detail }, value: detail });

test('a check whose steps pass has passed, and names no failure', async () => {
  const builder = new ReportBuilder(subject, new AbortController().signal);
  expect(await builder.step('DNS', passes('found'))).toBe('found');
  builder.note('MTU', { detail: 'not looked at', skipped: true });
  const report = CheckReport.parse(builder.report());
  expect(report.result).toBe('passed');
  expect(report.failure).toBeNull();
  expect(report.steps.map(({ name, state }) => [name, state])).toEqual([
    ['DNS', 'passed'],
    ['MTU', 'skipped'],
  ]);
});

test('a step that fails ends the check, and is explained with causes and what to do', async () => {
  const builder = new ReportBuilder(subject, new AbortController().signal);
  const step = builder.step('TCP', () => Promise.reject(new StepFailure('TCP_REFUSED', '192.0.2.1:443 refused')));
  await expect(step).rejects.toBeInstanceOf(CheckEnded);
  const report = CheckReport.parse(builder.report());
  expect(report.result).toBe('failed');
  const { causes, action } = CHECK_REASONS.TCP_REFUSED;
  const message = '192.0.2.1:443 refused';
  expect(report.failure).toEqual({ step: 'TCP', reason: 'TCP_REFUSED', message, causes, action });
});

test('a warning lets the check go on; the first one is explained unless a step fails', async () => {
  const builder = new ReportBuilder(subject, new AbortController().signal);
  builder.note('CLOCK', { detail: '90 s apart', warning: 'CLOCK_SKEW' });
  builder.note('THROUGHPUT', { detail: '0.1 Mbit/s', warning: 'THROUGHPUT_LOW' });
  expect(builder.report()).toMatchObject({ result: 'warning', failure: { reason: 'CLOCK_SKEW' } });
  await expect(builder.step('TLS', () => Promise.reject(new Error('?')))).rejects.toThrow();
  expect(builder.report()).toMatchObject({ result: 'failed', failure: { reason: 'CHECK_FAILED' } });
});

test('a check that is cancelled is no failed step', async () => {
  const controller = new AbortController();
  const builder = new ReportBuilder(subject, controller.signal);
  const cancelled = builder.step('DNS', () => {
    controller.abort(new DOMException('stopped', 'AbortError'));
    return Promise.reject(new Error('cut'));
  });
  await expect(cancelled).rejects.toThrow('stopped');
});

test('what other ends say is cut, and has no control characters', () => {
  const builder = new ReportBuilder(subject, new AbortController().signal);
  builder.note('HTTP', { detail: `\u001b[31m${'x'.repeat(5_000)}` });
  const [step] = CheckReport.parse(builder.report()).steps;
  expect(step?.detail).toHaveLength(1_024);
  expect(step?.detail).not.toMatch(/\p{Cc}/u);
});

test('every reason says what it means, what it comes from and what to do, within the bounds of a report', () => {
  for (const [reason, { meaning, causes, action }] of Object.entries(CHECK_REASONS)) {
    expect(reason).toMatch(/^[A-Z][A-Z0-9_]+$/);
    for (const sentence of [meaning, action, ...causes]) expect(sentence).toMatch(/[.)]$/);
    expect(causes.length).toBeGreaterThan(0);
    expect(Math.max(...causes.map((cause) => cause.length))).toBeLessThanOrEqual(512);
  }
});
