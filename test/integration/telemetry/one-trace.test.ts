import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { runCommand } from '../../harness/command.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { TestNatsServer } from '../harness/nats-server.ts';
import { OtlpReceiver } from '../harness/otlp-receiver.ts';

jest.setTimeout(90_000);

let nats: TestNatsServer;
let receiver: OtlpReceiver;
let input: string;

beforeEach(async () => {
  nats = await TestNatsServer.start();
  receiver = await OtlpReceiver.start();
  const authority = await TestAuthority.create();
  input = JSON.stringify({ tls: await authority.service('log-ingest'), nats: nats.options });
});
afterEach(async () => {
  await nats[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

function runFixture(environment: Readonly<Record<string, string>>) {
  const fixture = join(import.meta.dirname, 'one-trace.fixture.ts');
  const preload = import.meta.resolve('@lms/telemetry/preload');
  return runCommand(process.execPath, ['--import', preload, fixture], { input, environment });
}

/** Of all lines, each of which must be JSON. */
function components(stderr: string): ReadonlySet<unknown> {
  const lines = stderr.split('\n').filter((line) => line !== '');
  return new Set(lines.map((line) => (JSON.parse(line) as { component: unknown }).component));
}

test('HTTPS, gRPC, a fact and its consumer are one trace without an orphan, and its id stands in the log', async () => {
  const result = await runFixture(receiver.environment);
  expect(result).toMatchObject({ exitCode: 0 });
  const traceId = result.stdout.trim();
  expect(receiver.orphans(traceId)).toEqual([]);
  const names = receiver.trace(traceId).map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'point.create',
      'POST /v1/things/{id}',
      'lms.v1.Logs/AppendLogs',
      'publish event.point-deleted',
      'event.point-deleted',
    ]),
  );
  // Caller and server of gRPC have a span each.
  expect(names.filter((name) => name === 'lms.v1.Logs/AppendLogs')).toHaveLength(2);
  expect(receiver.trace(traceId).filter(({ parentSpanId }) => parentSpanId === null)).toHaveLength(1);
  const logged = result.stderr.split('\n').filter((line) => line.includes('"handled"'));
  expect(logged).toEqual([expect.stringContaining(traceId)]);
  expect(receiver.posts).toContain('/v1/logs');
});

test('without an endpoint nothing is sent, nothing is said, and everything works', async () => {
  const result = await runFixture({});
  expect(result).toMatchObject({ exitCode: 0, stdout: 'none\n' });
  expect(receiver.posts).toEqual([]);
  expect(components(result.stderr)).toEqual(new Set(['fixture']));
});

test('a collector that is away changes nothing but the trace', async () => {
  const result = await runFixture({ ...receiver.environment, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
  expect(result).toMatchObject({ exitCode: 0 });
  expect(result.stdout.trim()).toMatch(/^[0-9a-f]{32}$/);
  expect(components(result.stderr)).toContain('fixture');
});
