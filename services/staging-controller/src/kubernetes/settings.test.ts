import { expect, test } from '@jest/globals';
import { parseKubernetesSettings } from './settings.ts';
import { settingsWith } from './test/observed.ts';

test('pods are restricted and volumes have room for points without any setting', () => {
  const { replicationServer, storage, networkPolicy } = settingsWith();
  expect(replicationServer.podSecurityContext).toMatchObject({ runAsNonRoot: true });
  expect(replicationServer.securityContext).toMatchObject({ readOnlyRootFilesystem: true });
  expect(storage).toMatchObject({ className: null, sizeFactor: 1.5 });
  expect(networkPolicy.enabled).toBe(true);
});

test('YAML is understood as well as JSON', () => {
  const text = `
namespace: migration
instance: mig
fullName: lms
managerUrl: https://lms-gateway
replicationServer: { image: "lms:1" }
networkPolicy: {}
exposure: { mode: nodePort, advertise: { host: node.example } }
`;
  expect(parseKubernetesSettings(text, 'settings').exposure.mode).toBe('nodePort');
});

test('the form with one address means the public one, and both forms are the same afterwards', () => {
  const address = { host: 'stream.example', port: 31_500 };
  for (const mode of ['router', 'tlsroute', 'nodePort']) {
    const rest = { mode, ...(mode === 'tlsroute' && { parentRefs: [{ name: 'gateway' }] }) };
    const told = mode === 'nodePort' ? { host: address.host } : address;
    const before = settingsWith({ exposure: { ...rest, advertise: told } });
    const now = settingsWith({ exposure: { ...rest, advertise: { public: told }, prefer: 'public' } });
    expect(before.exposure).toMatchObject({ advertise: { public: told, private: null } });
    expect(before).toEqual(now);
  }
  const annotations = { kind: 'external' };
  const before = settingsWith({ exposure: { mode: 'loadBalancer', annotations, loadBalancerClass: 'fast' } });
  const balancer = { annotations, loadBalancerClass: 'fast' };
  expect(before).toEqual(settingsWith({ exposure: { mode: 'loadBalancer', public: balancer, private: null } }));
  expect(settingsWith({ exposure: { mode: 'loadBalancer' } }).exposure).toMatchObject({
    public: { annotations: {}, loadBalancerClass: null },
    private: null,
  });
});

const BOTH = { public: { host: 'stream.example' }, private: { host: '10.0.0.1' } };

test.each([
  ['a name that is too long for a StatefulSet of each machine', { fullName: 'a'.repeat(27) }, 'fullName'],
  ['a mistyped key', { storage: { clasName: 'fast' } }, 'storage'],
  ['a router that nobody can reach', { exposure: { mode: 'router' } }, 'exposure.advertise'],
  ['no way in', { exposure: { mode: 'router', advertise: {} } }, 'exposure.advertise'],
  ['no balancer', { exposure: { mode: 'loadBalancer', public: null } }, 'exposure'],
  ['a preference for neither', { exposure: { mode: 'router', advertise: BOTH, prefer: 'both' } }, 'exposure.prefer'],
  [
    'a port that is none',
    { exposure: { mode: 'router', advertise: { host: 'a', port: 0 } } },
    'exposure.advertise.public.port',
  ],
  ['an unknown way out', { exposure: { mode: 'tunnel' } }, 'exposure.mode'],
  ['a manager without TLS', { managerUrl: 'http://lms-gateway' }, 'managerUrl'],
])('%s is refused, and named', (_name, parts, field) => {
  expect(() => settingsWith(parts)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field }));
});
