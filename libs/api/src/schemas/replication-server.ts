/** What replication servers say and are told; as in agent.ts, either side may be newer. */
import { z } from 'zod';
import { JoinTokenSecret } from './authority.ts';
import { FailureWord } from './agent.ts';
import { UNLIMITED } from './bandwidth.ts';
import {
  MAXIMUM_INTERFACE_ADDRESSES,
  MAXIMUM_POINTS_PER_REPORT,
  MAXIMUM_REFUSALS,
  MAXIMUM_STATISTICS_BATCH,
} from './limits.ts';
import { CheckReport, CheckTarget } from './network-check.ts';
import { VerifyReport } from './operation.ts';
import { CheckpointId, PointReport } from './point.ts';
import { ReplicationServerSettings, RetentionRow } from './settings.ts';
import {
  Count,
  DiskId,
  Instant,
  MachineId,
  OperationId,
  Pem,
  ReplicationServerName,
  Sentence,
  Sequence,
  Sha256Hex,
  Version,
  WaitSeconds,
} from './values.ts';
import { StallCause } from './words.ts';

export const EnrolReplicationServerRequest = z.object({
  token: JoinTokenSecret,
  csrPem: Pem,
  name: ReplicationServerName,
  version: Version,
});
export type EnrolReplicationServerRequest = z.infer<typeof EnrolReplicationServerRequest>;
export const EnrolReplicationServerAnswer = z.object({
  name: ReplicationServerName,
  certificatePem: Pem,
  caPem: Pem,
  trustDomain: z.string().min(1).max(255),
});
export type EnrolReplicationServerAnswer = z.infer<typeof EnrolReplicationServerAnswer>;

/** `revision` is opaque: give back the one of the last answer, or none for an answer at once. */
export const AssignmentsQuery = z.object({
  revision: z
    .string()
    .regex(/^\d{1,20}\.\d{1,20}$/, 'must be the revision of an earlier answer')
    .optional(),
  wait: WaitSeconds,
});
export const ReplicationTask = z.object({
  id: OperationId,
  /** `unknown`: a kind of which only a newer manager knows. */
  kind: z.enum(['verify', 'export', 'delete', 'pin', 'unpin', 'unknown']).catch('unknown'),
  machineId: MachineId,
  sequence: Sequence,
  diskId: DiskId.optional(),
  /** export: what the point must be; another one may have its sequence by now. */
  checkpointId: CheckpointId.optional(),
  /** export: where it begins, and how much is wanted. Default: the whole disk. */
  offsetBytes: Count.optional(),
  lengthBytes: Count.optional(),
  traceparent: z.string().max(64).optional(),
});
export type ReplicationTask = z.infer<typeof ReplicationTask>;
/** Try the way to the manager and report. */
export const ReplicationServerCheck = z.object({
  id: OperationId,
  target: CheckTarget,
  remainingSeconds: z.number().nonnegative(),
});
export type ReplicationServerCheck = z.infer<typeof ReplicationServerCheck>;
export const AssignedMachine = z.object({
  machineId: MachineId,
  name: z.string(),
  settings: z.object({ retention: z.array(RetentionRow), floorBytes: Count.nullable() }),
});
export type AssignedMachine = z.infer<typeof AssignedMachine>;
export const AssignmentsAnswer = z.object({
  revision: z.string(),
  machines: z.array(AssignedMachine),
  /** Machines that an operator has removed: nothing of them is to be kept. Listed until nothing is left. */
  removedMachineIds: z.array(MachineId).default([]),
  /** All that are not done: a task stays listed until its result has come. */
  tasks: z.array(ReplicationTask),
  /** Managers of before tell none. */
  settings: ReplicationServerSettings.default({ bandwidth: UNLIMITED, proxy: null }),
  /** Apart from the tasks, which a server of before would not understand with one of a new kind among them. */
  checks: z.array(ReplicationServerCheck).default([]),
});
export type AssignmentsAnswer = z.infer<typeof AssignmentsAnswer>;

export const ReadyReport = z.object({
  /** What agents connect to. */
  address: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  freeBytes: Count,
  pid: z.int().positive().optional(),
  version: Version,
  /** IP addresses that it has itself: one that agents are told and that was among them once has moved. */
  interfaceAddresses: z.array(z.string().max(64)).max(MAXIMUM_INTERFACE_ADDRESSES).optional(),
  /** By its own clock. */
  at: Instant.optional(),
});
export type ReadyReport = z.infer<typeof ReadyReport>;

/** A connection that became no session, or a session that was ended. */
export const Refusal = z.object({
  reason: FailureWord,
  message: Sentence,
  address: z.string().max(300).nullable(),
  at: Instant,
  count: z.int().positive(),
  /** A certificate says that it was this machine; else the client only claimed it, or it is not known whose it was. */
  proven: z.boolean(),
});
export type Refusal = z.infer<typeof Refusal>;

export const ReplicationServerStatistics = z.object({
  at: Instant,
  machineId: MachineId,
  session: z.enum(['connected', 'absent']),
  bytesReceivedWire: Count,
  bytesRaw: Count,
  bytesWritten: Count,
  lastMark: Count,
  pointsCount: Count,
  usedBytes: Count,
  freeBytes: Count,
  stallCause: StallCause.nullable(),
  stallDetail: Sentence.nullable().default(null),
  /** Facts that this server has seen, for the initiation steps. */
  steps: z.object({ stagingDisks: z.boolean(), connected: z.boolean(), dataTransfer: z.boolean() }),
  residentBytes: Count,
  cpuSeconds: z.number().nonnegative(),
  refusals: z.array(Refusal).max(MAXIMUM_REFUSALS).default([]),
  /** Of all that this server receives on 1500, as it holds now; null: none. Servers of before say nothing. */
  bandwidthLimitBitsPerSecond: Count.nullish(),
});
export type ReplicationServerStatistics = z.input<typeof ReplicationServerStatistics>;
export const ReplicationServerStatisticsBatch = z.object({
  batch: z.array(ReplicationServerStatistics).min(1).max(MAXIMUM_STATISTICS_BATCH),
});

/** `complete`: these are all that there are; the manager's list becomes them. */
export const PointsReport = z.object({
  complete: z.boolean(),
  points: z.array(PointReport).max(MAXIMUM_POINTS_PER_REPORT),
});
export type PointsReport = z.input<typeof PointsReport>;

export const TaskResult = z.object({
  state: z.enum(['succeeded', 'failed']),
  code: z.string().max(64).optional(),
  message: Sentence.optional(),
  /** verify. */
  report: VerifyReport.optional(),
  /** export: of the whole raw disk, whatever part was sent; missing where the sender did not come to know it. */
  sha256: Sha256Hex.optional(),
  /** A check that was carried out, whatever it found. */
  checkReport: CheckReport.optional(),
});
export type TaskResult = z.infer<typeof TaskResult>;

/** What the gateway received of an export; the sender compares. */
export const ExportReceipt = z.object({ sizeBytes: Count, sha256: z.string() });
export type ExportReceipt = z.infer<typeof ExportReceipt>;

/** A replication server as operators see it. */
export const ReplicationServerSummary = z.object({
  name: ReplicationServerName,
  version: z.string(),
  enrolledAt: Instant,
  /** `host:port` that agents connect to; null: it has not said (for a while) that it listens. */
  blockStream: z.string().nullable(),
});
export type ReplicationServerSummary = z.infer<typeof ReplicationServerSummary>;
export const ReplicationServerPage = z.object({
  replicationServers: z.array(ReplicationServerSummary),
  nextPageToken: z.string().nullable(),
});
export type ReplicationServerPage = z.infer<typeof ReplicationServerPage>;
