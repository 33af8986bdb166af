import { expect, test } from '@jest/globals';
import { clusterDomainOf } from './cluster-domain.ts';

test('the domain is what the resolver of a pod would complete names with', () => {
  expect(clusterDomainOf('nameserver 10.96.0.10\nsearch lms.svc.k8s.example svc.k8s.example k8s.example corp\n')).toBe(
    'k8s.example',
  );
  expect(clusterDomainOf('search svc.cluster.test cluster.test')).toBe('cluster.test');
  expect(clusterDomainOf('nameserver 127.0.0.1\nsearch corp.example\n')).toBe('cluster.local');
});
