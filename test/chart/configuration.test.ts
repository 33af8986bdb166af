// Every process understands what the chart tells it: its own reader takes the environment, the file, or the plan.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readGatewayConfiguration } from '../../services/gateway/src/config.ts';
import { readLogIngestConfiguration } from '../../services/log-ingest/src/config.ts';
import { readRegistryConfiguration } from '../../services/registry/src/config.ts';
import { readRouterConfiguration } from '../../services/router/src/config.ts';
import { readCheckConfiguration } from '../../services/setup/src/check/check-configuration.ts';
import { readSetupConfiguration } from '../../services/setup/src/plan.ts';
import { readStagingControllerConfiguration } from '../../services/staging-controller/src/config.ts';
import { readStatsIngestConfiguration } from '../../services/stats-ingest/src/config.ts';
import { TemporaryFolder } from '../integration/harness/temporary-folder.ts';
import { render, valuesFiles, valuesNamed, type ChartObject } from './harness/chart.ts';
import { environmentOf, podsOf, settingsOf } from './harness/pods.ts';

const CONTEXT = JSON.stringify({ managerUrl: 'https://lms.example.com', caPem: 'PEM', apiToken: 't' });

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await TemporaryFolder.create();
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** The same, with files that are there: readers look at what is in them. */
async function withFiles(environment: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const moved: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    moved[name] = value.startsWith('/etc/lms/') ? join(folder.path, value) : value;
    if (moved[name] === value || name === 'LMS_CA_DIRECTORY' || name === 'LMS_KUBERNETES_SETTINGS') continue;
    await mkdir(join(moved[name], '..'), { recursive: true });
    await writeFile(moved[name], name === 'LMS_CONTEXT' ? CONTEXT : 'content');
  }
  return moved;
}

async function readAll(objects: readonly ChartObject[]) {
  const of = (kind: string, name: string) => withFiles(environmentOf(objects, kind, name));
  const settings = join(folder.path, 'settings.json');
  await writeFile(settings, JSON.stringify(settingsOf(objects)));
  const hasRouter = objects.some(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'lms-router');
  return {
    gateway: readGatewayConfiguration(await of('Deployment', 'lms-gateway')),
    registry: readRegistryConfiguration(await of('Deployment', 'lms-registry')),
    statistics: readStatsIngestConfiguration(await of('Deployment', 'lms-stats-ingest')),
    logs: readLogIngestConfiguration(await of('Deployment', 'lms-log-ingest')),
    staging: readStagingControllerConfiguration({
      ...(await of('Deployment', 'lms-staging-controller')),
      LMS_KUBERNETES_SETTINGS: settings,
      POD_NAME: 'lms-staging-controller-1',
    }),
    router: hasRouter ? readRouterConfiguration(await of('Deployment', 'lms-router')) : null,
    setup: readSetupConfiguration(environmentOf(objects, 'Job', 'lms-setup')),
    check: readCheckConfiguration(await of('Pod', 'lms-check')),
  };
}

/** The names of objects are those of the release there. */
const NAMED_OTHERWISE = 'large';

test.each(valuesFiles().filter(({ name }) => name !== NAMED_OTHERWISE))(
  '$name is understood by all',
  async ({ path }) => {
    const read = await readAll(await render({ file: path }));
    for (const { events } of [read.registry, read.statistics, read.logs]) {
      expect(events.servers.length).toBeGreaterThan(0);
    }
    expect(read.setup.namespace).toBe('lms');
  },
);

test('what each is told about the others', async () => {
  const { gateway, registry, staging, router, check, setup } = await readAll(
    await render({ file: valuesNamed('contour') }),
  );
  expect(gateway).toMatchObject({
    listen: '0.0.0.0:8444',
    listenPlain: '0.0.0.0:8080',
    forwardedHops: 1,
    peers: { listen: '0.0.0.0:8445', names: ['lms-gateway-peers:8445'] },
    publicUrl: 'https://lms.example.com',
    names: expect.arrayContaining(['lms.example.com', 'lms-gateway', 'lms-gateway.lms.svc']) as unknown,
    registryAddress: 'lms-registry:8443',
  });
  expect(registry.events).toMatchObject({ servers: ['lms-nats:4222'], user: 'registry', replicas: 3 });
  expect(staging).toMatchObject({
    registryAddress: 'lms-registry:8443',
    kubernetes: {
      settings: {
        managerUrl: 'https://lms-gateway.lms.svc',
        exposure: { mode: 'router', advertise: { public: { host: '192.0.2.10', port: 1500 }, private: null } },
      },
    },
  });
  expect(router).toMatchObject({ stagingAddress: 'lms-staging-controller:8443', clusterDomain: 'cluster.local' });
  expect(check).toMatchObject({ managerUrl: 'https://lms-gateway.lms.svc', blockStreamAddress: 'lms-router:1500' });
  expect(setup.plan.gatewayCertificate).toEqual({ secret: 'lms-gateway-ingress-tls', names: ['lms.example.com'] });
});

test('where the agent comes from that machines load', async () => {
  const { gateway } = await readAll(await render({ file: valuesNamed('agents-from-a-bucket') }));
  expect(gateway.agentPackages).toEqual({
    folder: join(folder.path, '/etc/lms/agent-packages'),
    bucket: {
      endpoint: 'https://objects.example:9000',
      region: 'us-east-1',
      bucket: 'agents',
      prefix: 'live-migration-service/',
      credentialsFolder: join(folder.path, '/etc/lms/agent-bucket'),
      delivery: 'stream',
    },
  });
});

const BALANCER = { annotations: {}, loadBalancerClass: null };
test.each([
  [
    'router, public and private',
    {
      replication: { exposure: { host: 'blocks.example.com', private: { host: '10.20.0.15' }, prefer: 'private' } },
      router: { privateService: { enabled: true, port: 31500 } },
    },
    {
      prefer: 'private',
      advertise: { public: { host: 'blocks.example.com', port: 1500 }, private: { host: '10.20.0.15', port: 31500 } },
    },
  ],
  [
    'router, private only',
    { replication: { exposure: { private: { host: '10.20.0.15' } } } },
    { prefer: 'public', advertise: { public: null, private: { host: '10.20.0.15', port: 1500 } } },
  ],
  [
    'node ports, public and private',
    { replication: { exposure: { mode: 'nodePort', host: 'a.example', private: { host: '10.20.0.15' } } } },
    { advertise: { public: { host: 'a.example' }, private: { host: '10.20.0.15' } } },
  ],
  [
    'load balancers, public and private',
    { replication: { exposure: { mode: 'loadBalancer', private: { enabled: true, annotations: { a: 'b' } } } } },
    { public: BALANCER, private: { ...BALANCER, annotations: { a: 'b' } } },
  ],
])('%s: what staging-controller is told', async (_name, values, told) => {
  const { staging } = await readAll(await render({ values }));
  expect(staging).toMatchObject({ kubernetes: { settings: { exposure: told } } });
});

test('given Secrets are read and never made, and with all certificates given there is no CA for them', async () => {
  const { setup } = await readAll(await render({ file: valuesNamed('given-secrets') }));
  expect(setup.plan).toEqual({
    instance: 'lms',
    authority: { secret: 'my-ca', given: true },
    internalAuthority: null,
    certificates: [],
    nats: null,
    operator: null,
    gatewayCertificate: null,
  });
});

test('images are by digest where one is given, else by tag, and from the registry that the values name', async () => {
  const imagesOf = async (name: string) =>
    new Set(
      podsOf(await render({ file: valuesNamed(name) })).flatMap(({ spec }) =>
        spec.containers.map(({ image }) => image),
      ),
    );
  expect([...(await imagesOf('defaults'))].sort()).toEqual(
    [
      'gateway',
      'log-ingest',
      'nats',
      'registry',
      'replication-server',
      'router',
      'setup',
      'staging-controller',
      'stats-ingest',
    ].map((target) => `live-migration-service/${target}:0.1.0`),
  );
  for (const image of await imagesOf('air-gapped')) {
    expect(image).toMatch(/^registry\.example\.internal\/mirror\/live-migration-service\/[a-z-]+@sha256:0{63}\d$/);
  }
});

test('telemetry goes to every process of ours, credentials from a Secret, replication servers too', async () => {
  const pods = podsOf(await render({ file: valuesNamed('telemetry') }));
  const told = pods.filter(({ owner }) =>
    /lms-(gateway|registry|\w+-ingest|staging-controller|router|rs-)/.test(owner),
  );
  expect(told.length).toBe(7);
  for (const { spec } of told) {
    const [container] = [...spec.initContainers, ...spec.containers];
    expect(container?.env).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'https://collector.observability:4317' }),
        {
          name: 'OTEL_EXPORTER_OTLP_HEADERS',
          valueFrom: { secretKeyRef: { name: 'lms-otlp-headers', key: 'headers' } },
        },
      ]),
    );
  }
});
