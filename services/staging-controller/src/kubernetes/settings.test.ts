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

test.each([
  ['a name that is too long for a StatefulSet of each machine', { fullName: 'a'.repeat(27) }, 'fullName'],
  ['a mistyped key', { storage: { clasName: 'fast' } }, 'storage'],
  ['a router that nobody can reach', { exposure: { mode: 'router' } }, 'exposure.advertise'],
  ['an unknown way out', { exposure: { mode: 'tunnel' } }, 'exposure.mode'],
  ['a manager without TLS', { managerUrl: 'http://lms-gateway' }, 'managerUrl'],
])('%s is refused, and named', (_name, parts, field) => {
  expect(() => settingsWith(parts)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field }));
});
