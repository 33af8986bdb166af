import { expect, test } from '@jest/globals';
import { diagnose, type ChangeFailure } from './diagnose.ts';
import type { KeptWarning } from './kept-pod.ts';
import type { ObservedMachine } from './plan-machine.ts';
import { claim, MACHINE, NOTHING, object, pod, statefulSet } from './test/observed.ts';

const NOW = new Date('2026-11-24T12:10:00Z');
const RUNNING: ObservedMachine = {
  ...NOTHING,
  claim: claim(),
  policy: object('NetworkPolicy'),
  statefulSet: statefulSet(),
  pod: pod(),
};
const PENDING = pod({ phase: 'Pending', ready: false, startedAt: null, nodeName: '' });

function look(
  observed: Partial<ObservedMachine>,
  warnings: readonly KeptWarning[] = [],
  changeFailure: ChangeFailure | null = null,
) {
  return diagnose({ observed: { ...RUNNING, ...observed }, warnings, changeFailure, wantsPolicy: true, now: NOW });
}

function warning(objectKind: string, reason: string, message: string, objectUid = ''): KeptWarning {
  return { machineId: MACHINE, objectKind, objectUid, reason, message, at: NOW };
}

function failed(objectKind: string, message: string): ChangeFailure {
  return { objectKind, message, attempt: 3, nextAttemptAt: new Date('2026-11-24T12:11:00Z') };
}

const crash = (parts: object) => ({
  exitCode: 1,
  reason: 'Error',
  finishedAt: NOW,
  failure: null,
  ...parts,
});

test('a pod that runs has no trouble, also when warnings of its start are still there', () => {
  const seen = look({}, [
    warning('Pod', 'FailedMount', 'old'),
    warning('PersistentVolumeClaim', 'ProvisioningFailed', 'old'),
  ]);
  expect(seen).toMatchObject({
    running: true,
    failure: null,
    stagingError: null,
    networkPolicy: { created: true, error: null },
  });
});

interface Case {
  readonly name: string;
  readonly observed: Partial<ObservedMachine>;
  readonly warnings?: readonly KeptWarning[];
  readonly says: readonly string[];
}

const POD_TROUBLES: readonly Case[] = [
  {
    name: 'unschedulable for want of memory',
    observed: { pod: { ...PENDING, unschedulable: '0/3 nodes are available: 3 Insufficient memory.' } },
    says: ['no node takes pod', 'Insufficient memory', 'replicationServer.resources'],
  },
  {
    name: 'unschedulable because of its volume',
    observed: { pod: { ...PENDING, unschedulable: '1 node(s) had volume node affinity conflict.' } },
    says: ['volume node affinity', 'kubectl describe pvc'],
  },
  {
    name: 'image not to be had',
    observed: { pod: { ...PENDING, waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x"' } } },
    says: ['image', 'Back-off pulling image "x"', 'imagePullSecrets'],
  },
  {
    name: 'crash loop with what the server said last',
    observed: {
      pod: {
        ...PENDING,
        nodeName: 'node-1',
        waiting: { reason: 'CrashLoopBackOff', message: 'back-off 5m0s' },
        lastTermination: crash({ exitCode: 7, failure: { code: 'INTERNAL', message: 'cannot open the journal' } }),
      },
    },
    says: ['exit code 7', 'cannot open the journal', 'kubectl logs --previous'],
  },
  {
    name: 'memory limit',
    observed: {
      pod: { ...PENDING, nodeName: 'node-1', lastTermination: crash({ exitCode: 137, reason: 'OOMKilled' }) },
    },
    says: ['more memory than its limit', 'limits.memory'],
  },
  {
    name: 'volume not mounted',
    observed: { pod: { ...PENDING, nodeName: 'node-1', waiting: { reason: 'ContainerCreating', message: '' } } },
    warnings: [warning('Pod', 'FailedMount', 'timed out waiting for the volume')],
    says: ['FailedMount', 'timed out waiting for the volume'],
  },
  {
    name: 'no pod for the quota',
    observed: { pod: null },
    warnings: [warning('StatefulSet', 'FailedCreate', 'pods "x" is forbidden: exceeded quota: small')],
    says: ['quota does not allow a further Pod', 'exceeded quota: small', 'ResourceQuota'],
  },
  {
    name: 'evicted',
    observed: {
      pod: { ...PENDING, phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory' },
    },
    says: ['Evicted', 'low on resource: memory', 'Another one is made'],
  },
  {
    name: 'a node that is gone',
    observed: { pod: pod({ deleting: true, deletingSince: new Date('2026-11-24T12:00:00Z') }) },
    says: ['node node-1 does not confirm', 'kubectl delete node node-1', 'node.kubernetes.io/out-of-service'],
  },
  {
    name: 'a node that is silent',
    observed: { pod: pod({ ready: false, nodeLost: true }) },
    says: ['node node-1, which pod', 'does not answer', 'goes on', 'kubectl delete node node-1'],
  },
  {
    name: 'a volume that hangs on the node before',
    observed: { pod: { ...PENDING, nodeName: 'node-2' } },
    warnings: [warning('Pod', 'FailedAttachVolume', 'Multi-Attach error for volume "pvc-1"', 'uid of Pod')],
    says: ['Multi-Attach error for volume "pvc-1"', 'still attached to the node that the pod before ran on'],
  },
];

test('a server whose node is silent does not count as running, and one that is ending is given its time', () => {
  expect(look({ pod: pod({ ready: false, nodeLost: true }) }).running).toBe(false);
  const justNow = pod({ deleting: true, deletingSince: new Date(NOW.getTime() - 60_000) });
  expect(look({ pod: justNow })).toMatchObject({ running: false, failure: null });
});

test('what was wrong with the pod before says nothing about this one', () => {
  const waiting = { reason: 'ContainerCreating', message: '' };
  const before = warning('Pod', 'FailedMount', 'timed out', 'uid of another one');
  expect(look({ pod: { ...PENDING, nodeName: 'node-1', waiting } }, [before]).failure).toBeNull();
});

test.each(POD_TROUBLES)('$name is told in words that say what to do', ({ observed, warnings, says }) => {
  const { failure, stagingError } = look(observed, warnings);
  for (const words of says) expect(failure?.message).toContain(words);
  expect(stagingError).toBeNull();
  // Only the server itself can say that the manager did not accept it.
  expect(['UNAUTHENTICATED', 'PERMISSION_DENIED', 'UNAVAILABLE']).not.toContain(failure?.code);
});

test('what the server itself says keeps its code: being refused is no failed launch', () => {
  const said = { code: 'UNAUTHENTICATED', message: 'the join token was used' } as const;
  const lastTermination = crash({ failure: said });
  const waiting = { reason: 'CrashLoopBackOff', message: '' };
  expect(look({ pod: { ...PENDING, nodeName: 'node-1', waiting, lastTermination } }).failure).toEqual(said);
});

const VOLUME_TROUBLES: readonly Case[] = [
  {
    name: 'no class and no default',
    observed: { claim: claim({ phase: 'Pending', className: null }) },
    says: ['no storage class', 'storage.className'],
  },
  {
    name: 'a class that is not there',
    observed: { claim: claim({ phase: 'Pending' }) },
    warnings: [warning('PersistentVolumeClaim', 'ProvisioningFailed', 'storageclass.storage.k8s.io "fast" not found')],
    says: ['"fast" not found', 'Make the StorageClass fast', 'kubectl get storageclass'],
  },
  {
    name: 'a volume that is lost',
    observed: { claim: claim({ phase: 'Lost' }) },
    says: ['volume volume-1', 'is lost', 'copied again'],
  },
];

test.each(VOLUME_TROUBLES)('of the volume: $name', ({ observed, warnings, says }) => {
  const { stagingError } = look({ ...observed, pod: null }, warnings);
  for (const words of says) expect(stagingError).toContain(words);
});

test('a claim that waits for its first pod is no trouble', () => {
  expect(look({ claim: claim({ phase: 'Pending' }), pod: null }).stagingError).toBeNull();
});

test('a refused write is told where it belongs, with the next attempt', () => {
  const quota = failed('PersistentVolumeClaim', 'exceeded quota: small, requested: requests.storage=16Gi');
  expect(look({ claim: null, pod: null }, [], quota)).toMatchObject({
    stagingError: expect.stringContaining('quota does not allow a further PersistentVolumeClaim'),
    attempt: 3,
    nextAttemptAt: quota.nextAttemptAt,
  });
  const policy = look({ policy: null }, [], failed('NetworkPolicy', 'networkpolicies is forbidden'));
  expect(policy.networkPolicy).toEqual({ created: false, error: expect.stringContaining("release's Role") });
  expect(policy.failure).toBeNull();
  const grown = failed(
    'PersistentVolumeClaim',
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  );
  expect(look({}, [], grown).stagingError).toContain('allowVolumeExpansion');
});
