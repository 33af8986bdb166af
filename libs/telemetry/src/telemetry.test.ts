import { expect, test } from '@jest/globals';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { telemetryEnabled } from './enabled.ts';
import { createLogger } from './logger.ts';
import { activeTraceparent, contextFromTraceparent, injectTrace } from './propagation.ts';
import { shutdownTelemetry } from './shutdown.ts';
import { tracer, withSpan } from './spans.ts';

test('telemetry is on with an endpoint, and off without one or when it is disabled', () => {
  expect(telemetryEnabled({})).toBe(false);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBe(false);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' })).toBe(true);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318' })).toBe(true);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' })).toBe(false);
});

test('without an SDK spans, injection and shutdown do nothing, and the work runs', async () => {
  const carried: string[] = [];
  const result = await withSpan(tracer('test'), 'work', {}, () => {
    injectTrace({ get: () => undefined, set: (name) => void carried.push(name) });
    return Promise.resolve(activeTraceparent());
  });
  expect(result).toBeNull();
  expect(carried).toEqual([]);
  await shutdownTelemetry();
});

test('a failure inside a span is thrown on as it was', async () => {
  const failure = new Error('of the work');
  await expect(withSpan(tracer('test'), 'work', {}, () => Promise.reject(failure))).rejects.toBe(failure);
});

test.each([null, undefined, '', 'rubbish', `00-${'g'.repeat(32)}-${'0'.repeat(16)}-01`])(
  'the traceparent %p from a peer is no context and no error',
  (traceparent) => {
    expect(contextFromTraceparent(traceparent)).toBe(ROOT_CONTEXT);
    expect(trace.getSpanContext(contextFromTraceparent(traceparent))).toBeUndefined();
  },
);

test('a record is one line of JSON with level, component and message, and without secrets', () => {
  const lines: string[] = [];
  const logger = createLogger('registry', { level: 'info', destination: { write: (line) => void lines.push(line) } });
  logger.info({ machineId: 'm-1', token: 'secret', nested: { password: 'secret' } }, 'enrolled');
  logger.debug('not said');
  expect(lines).toHaveLength(1);
  const record = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  expect(record).toMatchObject({ level: 'info', component: 'registry', message: 'enrolled', machineId: 'm-1' });
  expect(new Date(String(record['time'])).getTime()).toBeGreaterThan(0);
  expect(lines[0]).not.toContain('secret');
});
