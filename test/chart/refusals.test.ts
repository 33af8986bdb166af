// Values that make no sense are refused before anything is sent to a cluster, with a sentence that a person understands.

import { expect, test } from '@jest/globals';
import { CHART, helm, NAMESPACE, RELEASE, type Values } from './harness/chart.ts';

const HOST = { host: 'lms.example.com' };
const INGRESS = { ...HOST, ingress: { enabled: true } };

function exposure(parts: Values): Values {
  return { replication: { exposure: parts } };
}

function ingressTls(tls: Values): Values {
  return { gateway: { ...HOST, ingress: { enabled: true, tls } } };
}

const REFUSED: readonly (readonly [what: string, values: Values, message: string])[] = [
  ['a key that nobody reads', { gatewy: {} }, "additional properties 'gatewy' not allowed"],
  [
    'a mistyped key deep inside',
    { router: { service: { nodeport: 1 } } },
    "additional properties 'nodeport' not allowed",
  ],
  ['a key of no component', { registry: { replica: 2 } }, "additional properties 'replica' not allowed"],
  ['two servers of NATS', { nats: { replicas: 2 } }, "at '/nats/replicas': value must be one of 1, 3, 5"],
  [
    'a list of agents that are nowhere',
    { agentPackages: { indexConfigMap: 'agents' } },
    'agentPackages.indexConfigMap is set without agentPackages.bucket.name',
  ],
  ['no gateway at all', { gateway: { replicas: 0 } }, "at '/gateway/replicas': minimum: got 0, want 1"],
  ['a digest that is none', { gateway: { image: { digest: 'latest' } } }, "at '/gateway/image/digest'"],
  ['an exposure that there is not', exposure({ mode: 'tunnel' }), "at '/replication/exposure/mode'"],
  ['a factor that leaves no room', { replication: { storage: { sizeFactor: 0.5 } } }, 'minimum: got 0.5, want 1'],
  [
    'a protocol of OTLP that there is not',
    { telemetry: { otlp: { protocol: 'udp' } } },
    "at '/telemetry/otlp/protocol'",
  ],
  [
    'an endpoint without a scheme',
    { telemetry: { otlp: { endpoint: 'collector:4318' } } },
    "at '/telemetry/otlp/endpoint'",
  ],
  [
    'a certificate of no component',
    { credentials: { certificates: { existingSecrets: { agent: 'x' } } } },
    "'agent' not allowed",
  ],
  ['a name with capitals', { fullnameOverride: 'LMS' }, "at '/fullnameOverride'"],
  ['an ingress without a name', { gateway: { ingress: { enabled: true } } }, 'gateway.host is missing'],
  [
    'an HTTPRoute without a name',
    { gateway: { httpRoute: { enabled: true, parentRefs: [{ name: 'a' }] } } },
    'gateway.host is missing',
  ],
  [
    'an ingress with an address',
    { gateway: { host: '192.0.2.1', ingress: { enabled: true } } },
    'needs a DNS name, not an address',
  ],
  [
    'an HTTPRoute without a Gateway',
    { gateway: { ...HOST, httpRoute: { enabled: true } } },
    'gateway.httpRoute.parentRefs is empty',
  ],
  ['a given certificate without its name', ingressTls({ mode: 'secret' }), 'gateway.ingress.tls.secretName is missing'],
  [
    'cert-manager without an issuer',
    ingressTls({ mode: 'certManager' }),
    'gateway.ingress.tls.certManager.issuer is missing',
  ],
  [
    'a name for a Secret that the chart names',
    ingressTls({ secretName: 'mine' }),
    'where the chart names the Secret itself',
  ],
  [
    'a node port without a Service of nodes',
    { gateway: { service: { nodePort: 30443 } } },
    'gateway.service.type is ClusterIP',
  ],
  [
    'the same of the router',
    { router: { privateService: { type: 'ClusterIP', nodePort: 31500 } } },
    'router.privateService.nodePort is set',
  ],
  [
    'TLSRoutes to no Gateway',
    exposure({ mode: 'tlsroute', host: 'a.example' }),
    'replication.exposure.tlsRoute.parentRefs is empty',
  ],
  ['TLSRoutes without an address', exposure({ mode: 'tlsroute' }), 'replication.exposure.host is missing'],
  ['node ports without an address', exposure({ mode: 'nodePort' }), 'replication.exposure.host is missing'],
  [
    'one address where each machine has its own',
    exposure({ mode: 'loadBalancer', host: 'a.example' }),
    'each machine has an address of its own',
  ],
  [
    'one port where each machine has its own',
    exposure({ mode: 'loadBalancer', port: 1500 }),
    'each machine has a port of its own',
  ],
  [
    'a private address where each machine has its own',
    exposure({ mode: 'loadBalancer', private: { enabled: true, host: '10.0.0.1' } }),
    'each machine has an address of its own',
  ],
  [
    'a private Service for each machine behind one address',
    exposure({ private: { enabled: true } }),
    'with mode router set private.host',
  ],
  [
    'a private Service that is described and not wanted',
    exposure({ mode: 'loadBalancer', private: { annotations: { a: 'b' } } }),
    'private.enabled is false',
  ],
  ['a private port of no address', exposure({ private: { port: 1500 } }), 'private.port is set'],
  [
    'a private router where there is none',
    { ...exposure({ mode: 'loadBalancer' }), router: { privateService: { enabled: true } } },
    'where there is no router',
  ],
  ['rules without metrics', { monitoring: { prometheusRule: { enabled: true } } }, 'without monitoring.podMonitor'],
  ['external NATS nowhere', { nats: { enabled: false } }, 'nats.external.url is missing'],
  ['two NATS', { nats: { external: { url: 'nats:4222' } } }, 'nats.enabled is true'],
  ['headers to nowhere', { telemetry: { otlp: { headers: { a: 'b' } } } }, 'telemetry.otlp.endpoint is missing'],
  [
    'headers twice',
    { telemetry: { otlp: { endpoint: 'http://a:1', headers: { a: 'b' }, existingSecret: 's' } } },
    'set one of them',
  ],
  [
    'a Secret as a variable of replication servers',
    { replication: { server: { environment: [{ name: 'A', valueFrom: {} }] } } },
    'replication.server.environment: A has no value',
  ],
];

test.each(REFUSED)('%s', async (_what, values, message) => {
  const { exitCode, stderr } = await helm(['template', RELEASE, CHART], { values });
  expect(stderr).toContain(message);
  expect(exitCode).toBe(1);
});

test.each([
  ['a-name-of-a-release-that-is-long', 'at most 26 fit'],
  ['with.a.dot', 'cannot begin names of Services'],
  ['1st', 'a letter first'],
])('a release called %s', async (name, message) => {
  const { exitCode, stderr } = await helm(['template', name, CHART, '--namespace', NAMESPACE]);
  expect(stderr).toContain(message);
  expect(exitCode).toBe(1);
});

test('a long name of a release is fine with a short one in front of its objects', async () => {
  const { exitCode } = await helm(['template', 'a-name-of-a-release-that-is-long', CHART], {
    values: { fullnameOverride: 'lms', gateway: INGRESS },
  });
  expect(exitCode).toBe(0);
});
