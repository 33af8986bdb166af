import { expect, test } from '@jest/globals';
import { statefulSetManifest } from './stateful-set.ts';
import { MACHINE, settingsWith } from './test/observed.ts';

test('what a replication server is told comes from values and from keys of Secrets', () => {
  const settings = settingsWith({
    replicationServer: {
      image: 'lms:1',
      environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
      secretEnvironment: { OTEL_EXPORTER_OTLP_HEADERS: { secret: 'lms-otlp-headers', key: 'headers' } },
    },
  });
  expect(statefulSetManifest(settings, MACHINE, { caSha256: 'ab' })).toMatchObject({
    spec: {
      template: {
        spec: {
          containers: [
            {
              env: expect.arrayContaining([
                { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' },
                {
                  name: 'OTEL_EXPORTER_OTLP_HEADERS',
                  valueFrom: { secretKeyRef: { name: 'lms-otlp-headers', key: 'headers' } },
                },
              ]) as unknown,
            },
          ],
        },
      },
    },
  });
});
