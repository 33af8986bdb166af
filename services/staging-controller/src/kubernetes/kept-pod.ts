/** What is remembered of pods and of warnings about objects: where the reasons come from when something does not start. */
import { z } from 'zod';
import { isErrorCode, type ErrorCode } from '@lms/errors';
import { keepObject, type KeptObject } from './kept.ts';
import { machineOfName } from './names.ts';
import type { ApiObject } from './resource.ts';
import type { KubernetesSettings } from './settings.ts';

/** Of texts that others write, held for every machine. */
const TEXT_LENGTH_MAX = 500;

export interface KeptTermination {
  readonly exitCode: number;
  /** Such as `Error` or `OOMKilled`. */
  readonly reason: string;
  readonly finishedAt: Date | null;
  /** What the replication server itself said when it ended; null: nothing. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | null;
}

export interface KeptPod extends KeptObject {
  /** Pending, Running, Succeeded, Failed or Unknown. */
  readonly phase: string;
  /** Such as `Evicted`, with its message; empty: none. */
  readonly reason: string;
  readonly message: string;
  readonly address: string;
  /** Empty: it has none yet. */
  readonly nodeName: string;
  /** When its end was asked for; null: it was not. */
  readonly deletingSince: Date | null;
  readonly ready: boolean;
  /** Its node does not answer any more; what else stands here is what it said last. */
  readonly nodeLost: boolean;
  /** Why it has no node; null: it has one, or nobody has looked yet. */
  readonly unschedulable: string | null;
  readonly waiting: { readonly reason: string; readonly message: string } | null;
  /** Of the container that runs; null: none does. */
  readonly startedAt: Date | null;
  readonly restarts: number;
  readonly lastTermination: KeptTermination | null;
}

export interface KeptWarning {
  readonly machineId: string;
  readonly objectKind: string;
  /** Empty: whoever told it did not say. Pods of one machine have one name after the other. */
  readonly objectUid: string;
  readonly reason: string;
  readonly message: string;
  readonly at: Date;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: {
    readonly exitCode?: number;
    readonly reason?: string;
    readonly message?: string;
    readonly finishedAt?: string;
  };
}

interface PodObject extends ApiObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type?: string;
      readonly status?: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly state?: ContainerState;
      readonly lastState?: ContainerState;
      readonly restartCount?: number;
    }[];
  };
}

interface EventObject extends ApiObject {
  readonly metadata?: ApiObject['metadata'] & { readonly creationTimestamp?: string };
  readonly involvedObject?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
}

export function keepPod(object: ApiObject): KeptPod {
  const { metadata, spec, status = {} } = object as PodObject;
  const condition = (type: string) => status.conditions?.find((candidate) => candidate.type === type);
  const scheduled = condition('PodScheduled');
  const container = status.containerStatuses?.[0];
  const waiting = container?.state?.waiting;
  const ready = condition('Ready');
  const ended = container?.lastState?.terminated ?? container?.state?.terminated;
  return {
    ...keepObject('Pod', object),
    phase: status.phase ?? 'Pending',
    reason: status.reason ?? '',
    message: text(status.message),
    address: status.podIP ?? '',
    nodeName: spec?.nodeName ?? '',
    deletingSince: instant(metadata?.deletionTimestamp),
    ready: ready?.status === 'True',
    // Kubelet gives a reason for its "not ready"; the controller of nodes, which speaks for one that is silent, gives none.
    nodeLost: ready?.status === 'False' && !ready.reason && container?.state?.running !== undefined,
    unschedulable: scheduled?.status === 'False' ? text(scheduled.message ?? scheduled.reason) : null,
    waiting: waiting === undefined ? null : { reason: waiting.reason ?? '', message: text(waiting.message) },
    startedAt: container?.state?.running === undefined ? null : instant(container.state.running.startedAt),
    restarts: container?.restartCount ?? 0,
    lastTermination: ended === undefined ? null : keepTermination(ended),
  };
}

/** Null: it is about no object of ours. */
export function keepWarning(settings: KubernetesSettings, object: ApiObject): KeptWarning | null {
  const { involvedObject, metadata, reason, message, lastTimestamp, eventTime } = object as EventObject;
  const machineId = machineOfName(settings, involvedObject?.name ?? '');
  if (machineId === null) return null;
  return {
    machineId,
    objectKind: involvedObject?.kind ?? '',
    objectUid: involvedObject?.uid ?? '',
    reason: reason ?? '',
    message: text(message),
    at: instant(lastTimestamp ?? eventTime ?? metadata?.creationTimestamp) ?? new Date(0),
  };
}

const FAILURE = z.object({ code: z.string().refine(isErrorCode), message: z.string(), action: z.string().nullable() });
/** Of pino. */
const LOG_LINE = z.object({ msg: z.string() });

function keepTermination(ended: NonNullable<ContainerState['terminated']>): KeptTermination {
  return {
    exitCode: ended.exitCode ?? 0,
    reason: ended.reason ?? '',
    finishedAt: instant(ended.finishedAt),
    failure: parseFailure(ended.message ?? ''),
  };
}

/**
 * The replication server writes its failure report where kubelet takes the message from; one that was killed leaves only
 * the end of its log there, of which the last line says most.
 */
function parseFailure(message: string): KeptTermination['failure'] {
  const last = message.trim().split('\n').at(-1) ?? '';
  if (last === '') return null;
  let told: unknown;
  try {
    told = JSON.parse(last);
  } catch {
    return { code: 'INTERNAL', message: text(last) };
  }
  const report = FAILURE.safeParse(told);
  if (report.success) {
    const { code, message: sentence, action } = report.data;
    return { code: code as ErrorCode, message: text(action === null ? sentence : `${sentence}. ${action}`) };
  }
  const line = LOG_LINE.safeParse(told);
  return { code: 'INTERNAL', message: text(line.success ? line.data.msg : last) };
}

function text(value: string | undefined): string {
  return (value ?? '').slice(0, TEXT_LENGTH_MAX);
}

function instant(value: string | undefined): Date | null {
  const date = new Date(value ?? '');
  return Number.isNaN(date.getTime()) ? null : date;
}
