/**
 * What keeps a replication server from running, in words that say what to do. Pure: from objects and warnings as the
 * cluster shows them. Status counts before events: an event stays for an hour, also when its cause is gone.
 */
import type { ErrorCode } from '@lms/errors';
import type { DriverServer } from '../driver.ts';
import type { KeptClaim } from './kept.ts';
import type { KeptPod, KeptTermination, KeptWarning } from './kept-pod.ts';
import type { ObservedMachine } from './plan-machine.ts';

/** Longer than any pod takes to end in order. */
const ENDING_MILLISECONDS = 120_000;

/** Why the last change was not made; null: all were. */
export interface ChangeFailure {
  /** Of the object that could not be written; empty: it was not about one. */
  readonly objectKind: string;
  readonly message: string;
  readonly attempt: number;
  readonly nextAttemptAt: Date;
}

/** What is not the server's own failure never has a code that would say that the manager refused it. */
interface Trouble {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface DiagnosisInput {
  readonly observed: ObservedMachine;
  readonly warnings: readonly KeptWarning[];
  readonly changeFailure: ChangeFailure | null;
  readonly wantsPolicy: boolean;
  readonly now: Date;
}

export function diagnose(input: DiagnosisInput): DriverServer {
  const { observed, changeFailure, wantsPolicy } = input;
  const { claim, pod, policy } = observed;
  const staging = stagingTrouble(input);
  const failure = changeTrouble(changeFailure, (kind) => kind !== 'NetworkPolicy') ?? podTrouble(input);
  return {
    stagingError: staging?.message ?? null,
    stagingLost: claim?.phase === 'Lost',
    running: pod !== null && pod.startedAt !== null && !pod.deleting && !pod.nodeLost,
    startedAt: pod?.startedAt ?? null,
    failure: failure ?? staging,
    attempt: changeFailure?.attempt ?? (pod?.restarts ?? 0) + 1,
    nextAttemptAt: changeFailure?.nextAttemptAt ?? null,
    networkPolicy: wantsPolicy
      ? {
          created: policy !== null,
          error: changeTrouble(changeFailure, (kind) => kind === 'NetworkPolicy')?.message ?? null,
        }
      : null,
  };
}

function changeTrouble(failure: ChangeFailure | null, concerns: (kind: string) => boolean): Trouble | null {
  if (failure === null || !concerns(failure.objectKind)) return null;
  return { code: 'FAILED_PRECONDITION', message: explainRefusal(failure.message, failure.objectKind) };
}

function explainRefusal(message: string, objectKind: string): string {
  if (message.includes('exceeded quota')) {
    return `the namespace's quota does not allow a further ${objectKind}: ${message}. Raise the ResourceQuota, or remove what is not needed`;
  }
  if (message.includes('does not support resize') || message.includes('must support resize')) {
    return `the source's disks have grown, and the volume cannot: ${message}. Set allowVolumeExpansion on its storage class, if its provisioner can do that`;
  }
  if (message.includes('is forbidden')) {
    return `${message}. Grant it in the release's Role, or ask who set that policy`;
  }
  return message;
}

function stagingTrouble({ observed, warnings, changeFailure }: DiagnosisInput): Trouble | null {
  const { claim } = observed;
  const refused = changeTrouble(changeFailure, (kind) => kind === 'PersistentVolumeClaim');
  if (refused !== null || claim === null) return refused;
  if (claim.phase === 'Lost') {
    return {
      code: 'DATA_LOSS',
      message: `the volume ${claim.volumeName} of claim ${claim.name} is lost. Restore it, or delete the claim: a new one is made, and everything is copied again`,
    };
  }
  return claim.phase === 'Pending' ? pendingClaim(claim, warnings) : null;
}

function pendingClaim(claim: KeptClaim, warnings: readonly KeptWarning[]): Trouble | null {
  const told = newest(warnings, 'PersistentVolumeClaim', [
    'ProvisioningFailed',
    'FailedBinding',
    'ProvisioningCleanupFailed',
  ]);
  if (claim.className === null) {
    return {
      code: 'FAILED_PRECONDITION',
      message: `claim ${claim.name} has no storage class, and the cluster has no default one. Set storage.className in the values of the chart, or mark a StorageClass as default`,
    };
  }
  if (told === null) return null;
  const advice = told.message.includes('not found')
    ? `Make the StorageClass ${claim.className}, or name one that there is (kubectl get storageclass)`
    : `See kubectl describe pvc ${claim.name}, and the log of the provisioner`;
  return {
    code: 'FAILED_PRECONDITION',
    message: `no volume is made for claim ${claim.name}: ${told.message}. ${advice}`,
  };
}

function podTrouble(input: DiagnosisInput): Trouble | null {
  const { observed, warnings, now } = input;
  const { pod, statefulSet } = observed;
  if (pod === null) {
    const told = statefulSet === null ? null : newest(warnings, 'StatefulSet', ['FailedCreate']);
    if (told === null) return null;
    return { code: 'RESOURCE_EXHAUSTED', message: explainRefusal(`no pod is made: ${told.message}`, 'Pod') };
  }
  if (pod.deletingSince !== null) return endingPod(pod, now);
  if (pod.phase === 'Failed') {
    const reason = pod.reason === '' ? 'it failed' : pod.reason;
    return {
      code: 'FAILED_PRECONDITION',
      message: `pod ${pod.name} was ended by its node (${reason}): ${pod.message || 'no reason given'}. Another one is made`,
    };
  }
  if (pod.nodeLost) return silentNode(pod);
  if (pod.unschedulable !== null && pod.nodeName === '') return unschedulable(pod, pod.unschedulable);
  if (pod.waiting !== null) return waitingContainer(pod, pod.waiting, warnings);
  if (pod.startedAt !== null) return null;
  // Kubelet says nothing of containers before it has the volumes, or nothing at all.
  return pod.lastTermination === null ? missingMount(pod, warnings) : ended(pod, pod.lastTermination);
}

/** Two pods must never write one volume: what Kubernetes waits for here, nobody should hurry without looking. */
function releaseNode(nodeName: string): string {
  return `Once it is certain that the node is off: kubectl delete node ${nodeName} if it is gone for good, or kubectl taint node ${nodeName} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute if it comes back later`;
}

function silentNode({ name, nodeName }: KeptPod): Trouble {
  return {
    code: 'FAILED_PRECONDITION',
    message: `node ${nodeName}, which pod ${name} runs on, does not answer. When it is back the replication server goes on; after some minutes (tolerations) another pod is asked for. ${releaseNode(nodeName)}`,
  };
}

function endingPod(pod: KeptPod, now: Date): Trouble | null {
  if (pod.deletingSince === null || now.getTime() - pod.deletingSince.getTime() < ENDING_MILLISECONDS) return null;
  return {
    code: 'FAILED_PRECONDITION',
    message: `node ${pod.nodeName} does not confirm that pod ${pod.name} has ended, and until then no other is started. ${releaseNode(pod.nodeName)}`,
  };
}

function unschedulable(pod: KeptPod, why: string): Trouble {
  let advice =
    'Add a node, or change resources, nodeSelector or tolerations of replication servers in the values of the chart';
  if (/volume node affinity|PersistentVolumeClaims|available persistent volumes/.test(why)) {
    advice =
      'The volume decides which nodes can be: see kubectl describe pvc, and the nodes that its storage class reaches';
  } else if (why.includes('Insufficient')) {
    advice = 'Add a node, or ask for less in replicationServer.resources in the values of the chart';
  }
  return { code: 'RESOURCE_EXHAUSTED', message: `no node takes pod ${pod.name}: ${why} ${advice}` };
}

const IMAGE_REASONS: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
]);
const MOUNT_REASONS = ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume', 'FailedCreatePodSandBox'];

function waitingContainer(
  pod: KeptPod,
  { reason, message }: NonNullable<KeptPod['waiting']>,
  warnings: readonly KeptWarning[],
): Trouble | null {
  if (IMAGE_REASONS.has(reason)) {
    return {
      code: 'FAILED_PRECONDITION',
      message: `the image of pod ${pod.name} cannot be had (${reason}): ${message}. Check image.registry, image.tag and imagePullSecrets in the values of the chart, and that the node reaches the registry`,
    };
  }
  if (reason === 'CrashLoopBackOff' || reason === 'RunContainerError') {
    return pod.lastTermination === null ? { code: 'INTERNAL', message } : ended(pod, pod.lastTermination);
  }
  if (reason === 'CreateContainerConfigError' || reason === 'CreateContainerError') {
    return { code: 'FAILED_PRECONDITION', message: `the container of pod ${pod.name} cannot be made: ${message}` };
  }
  // ContainerCreating, PodInitializing: usual, unless a volume is not to be had.
  return missingMount(pod, warnings);
}

function missingMount(pod: KeptPod, warnings: readonly KeptWarning[]): Trouble | null {
  const ofThisPod = warnings.filter(({ objectUid }) => objectUid === '' || objectUid === pod.uid);
  const told = newest(ofThisPod, 'Pod', MOUNT_REASONS);
  if (told === null) return null;
  const advice = told.message.includes('Multi-Attach')
    ? 'Its volume is still attached to the node that the pod before ran on. Kubernetes takes it from there in some minutes; see kubectl get volumeattachments'
    : `See kubectl describe pod ${pod.name}`;
  return { code: 'FAILED_PRECONDITION', message: `pod ${pod.name} waits (${told.reason}): ${told.message}. ${advice}` };
}

function ended(pod: KeptPod, { exitCode, reason, failure }: KeptTermination): Trouble {
  if (reason === 'OOMKilled') {
    return {
      code: 'RESOURCE_EXHAUSTED',
      message: `the replication server in pod ${pod.name} needed more memory than its limit. Raise replicationServer.resources.limits.memory in the values of the chart`,
    };
  }
  if (failure !== null && failure.code !== 'INTERNAL') return failure;
  const said = failure === null ? '' : `: ${failure.message}`;
  return {
    code: 'INTERNAL',
    message: `the replication server in pod ${pod.name} ended with exit code ${exitCode}${said}. See kubectl logs --previous ${pod.name}`,
  };
}

function newest(warnings: readonly KeptWarning[], objectKind: string, reasons: readonly string[]): KeptWarning | null {
  const fitting = warnings.filter((warning) => warning.objectKind === objectKind && reasons.includes(warning.reason));
  return fitting.toSorted((a, b) => b.at.getTime() - a.at.getTime())[0] ?? null;
}
