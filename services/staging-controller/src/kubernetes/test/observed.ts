/** Observed objects of one machine, for the tests of the pure parts. */
import type { KeptClaim, KeptObject, KeptSecret, KeptService, KeptStatefulSet } from '../kept.ts';
import type { KeptPod } from '../kept-pod.ts';
import type { ObservedMachine } from '../plan-machine.ts';
import { parseKubernetesSettings, type KubernetesSettings } from '../settings.ts';

export const MACHINE = 'm-0123456789abcdef0123';
export const NAME = `lms-rs-${MACHINE}`;

export function settingsWith(parts: Readonly<Record<string, unknown>> = {}): KubernetesSettings {
  const usual = {
    namespace: 'migration',
    instance: 'mig',
    fullName: 'lms',
    managerUrl: 'https://lms-gateway.migration.svc',
    replicationServer: { image: 'lms/replication-server:1' },
    networkPolicy: {},
    exposure: { mode: 'router', advertise: { host: 'stream.example' } },
  };
  return parseKubernetesSettings(JSON.stringify({ ...usual, ...parts }), 'settings');
}

export const NOTHING: ObservedMachine = {
  claim: null,
  secret: null,
  services: [],
  policy: null,
  routes: [],
  statefulSet: null,
  pod: null,
  drifted: new Set(),
};

export function object(kind: string, parts: Partial<KeptObject> = {}): KeptObject {
  const usual = { uid: `uid of ${kind}`, machineId: MACHINE, ownedFields: '', deleting: false };
  return { kind, name: NAME, fingerprint: null, ...usual, ...parts };
}

export function claim(parts: Partial<KeptClaim> = {}): KeptClaim {
  return {
    ...object('PersistentVolumeClaim'),
    phase: 'Bound',
    requestedBytes: 16 * 1024 ** 3,
    capacityBytes: 16 * 1024 ** 3,
    className: 'fast',
    volumeName: 'volume-1',
    accessModes: ['ReadWriteOnce'],
    ...parts,
  };
}

export function statefulSet(parts: Partial<KeptStatefulSet> = {}): KeptStatefulSet {
  return { ...object('StatefulSet'), replicas: 1, readyReplicas: 1, rolling: false, ...parts };
}

export function secret(parts: Partial<KeptSecret> = {}): KeptSecret {
  return { ...object('Secret'), tokenMadeAt: null, tokenExpiresAt: null, enrolled: true, ...parts };
}

export function service(parts: Partial<KeptService> = {}): KeptService {
  return { ...object('Service'), nodePort: null, externalHost: null, ...parts };
}

export function pod(parts: Partial<KeptPod> = {}): KeptPod {
  return {
    ...object('Pod', { name: `${NAME}-0` }),
    phase: 'Running',
    reason: '',
    message: '',
    address: '10.1.2.3',
    nodeName: 'node-1',
    deletingSince: null,
    ready: true,
    nodeLost: false,
    unschedulable: null,
    waiting: null,
    startedAt: new Date('2026-11-24T12:00:00Z'),
    restarts: 0,
    lastTermination: null,
    ...parts,
  };
}
