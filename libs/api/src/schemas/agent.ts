/**
 * What agents say and are told. Either side may be newer: what it does not know in the other's words it leaves alone
 * (docs/adr/0037).
 */
import { z } from 'zod';
import { JoinTokenSecret } from './authority.ts';
import {
  MAXIMUM_BLOCK_STREAM_ALTERNATIVES,
  MAXIMUM_DISKS,
  MAXIMUM_LOG_ATTRIBUTES,
  MAXIMUM_LOG_BATCH,
  MAXIMUM_LOG_MESSAGE_LENGTH,
  MAXIMUM_RESOLVED_ADDRESSES,
  MAXIMUM_STATISTICS_BATCH,
} from './limits.ts';
import { CheckAddress, CheckReport, CheckTarget } from './network-check.ts';
import { AgentSettings } from './settings.ts';
import {
  Count,
  Device,
  DiskId,
  Instant,
  Inventory,
  MachineId,
  MachineName,
  OperationId,
  Pem,
  Sentence,
  Sequence,
  Version,
  WaitSeconds,
} from './values.ts';
import { Consistency, LogLevel, ReplicationState, StallCause, Tracker } from './words.ts';

export const DiskReport = z.object({ diskId: DiskId, device: Device, sizeBytes: Count });
export type DiskReport = z.infer<typeof DiskReport>;
const Disks = z
  .array(DiskReport)
  .max(MAXIMUM_DISKS)
  .refine((disks) => new Set(disks.map((disk) => disk.diskId)).size === disks.length, 'names one disk twice');

export const EnrolAgentRequest = z.object({
  token: JoinTokenSecret,
  csrPem: Pem,
  name: MachineName,
  version: Version,
  disks: Disks.min(1),
  inventory: Inventory,
});
export type EnrolAgentRequest = z.infer<typeof EnrolAgentRequest>;
export const EnrolAgentAnswer = z.object({
  machineId: MachineId,
  name: z.string(),
  certificatePem: Pem,
  caPem: Pem,
  trustDomain: z.string().min(1).max(255),
});
export type EnrolAgentAnswer = z.infer<typeof EnrolAgentAnswer>;

export const HeartbeatRequest = z.object({
  version: Version,
  bootId: z.string().min(1).max(64),
  /** The agent's own name for its machine: used when the manager lost its state and knows the machine no more. */
  name: MachineName.optional(),
  disks: Disks,
  inventory: Inventory.optional(),
});
export type HeartbeatRequest = z.infer<typeof HeartbeatRequest>;
const BlockStreamAddress = z.object({ host: z.string(), port: z.int().min(1).max(65_535), serverName: z.string() });
export type BlockStreamAddress = z.infer<typeof BlockStreamAddress>;
export const HeartbeatAnswer = z.object({
  /** What to connect to first; null: there is no replication server for this machine yet. */
  blockStream: BlockStreamAddress.nullable(),
  /** Other addresses of it, in the order to try them. Managers of before name none, and agents of before read none. */
  blockStreamAlternatives: z.array(BlockStreamAddress).max(MAXIMUM_BLOCK_STREAM_ALTERNATIVES).default([]),
  settings: AgentSettings,
  desired: z.object({ paused: z.boolean() }),
  heartbeatSeconds: z.number().positive(),
});
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

export const CommandsQuery = z.object({
  wait: WaitSeconds,
  /** Ids, with commas, of the commands that the agent is at work on: they are not sent again. */
  known: z
    .string()
    .max(4_096)
    .regex(/^[0-9a-f-]+(,[0-9a-f-]+)*$/, 'must be ids of operations with commas between them')
    .optional(),
});
export const AGENT_COMMAND_KINDS = ['createPoint', 'rescan', 'pause', 'resume'] as const;
export type AgentCommandKind = (typeof AGENT_COMMAND_KINDS)[number];
export const AgentCommand = z.object({
  id: OperationId,
  /** `unknown`: a kind of which only a newer manager knows. */
  kind: z.enum([...AGENT_COMMAND_KINDS, 'unknown']).catch('unknown'),
  consistency: Consistency.optional(),
  deadline: Instant,
  /** Until the deadline, as the manager sent this: holds whatever the agent's clock says. */
  remainingSeconds: z.number().nonnegative().optional(),
  traceparent: z.string().max(64).optional(),
});
export type AgentCommand = z.infer<typeof AgentCommand>;
/** Try a way through the network and report. */
export const AgentCheck = z.object({
  id: OperationId,
  target: CheckTarget,
  /** 1500: to be tried instead of the addresses that the agent was told. */
  address: CheckAddress.optional(),
  remainingSeconds: z.number().nonnegative(),
});
export type AgentCheck = z.infer<typeof AgentCheck>;
export const CommandsAnswer = z.object({
  commands: z.array(AgentCommand),
  /** Apart from the commands: an agent of before would understand none of a list in which it does not know one. */
  checks: z.array(AgentCheck).default([]),
});
export type CommandsAnswer = z.infer<typeof CommandsAnswer>;

export const CommandResult = z.object({
  state: z.enum(['succeeded', 'failed']),
  /** A code of @lms/errors. */
  code: z.string().max(64).optional(),
  message: Sentence.optional(),
  /** createPoint: the point made. */
  sequence: Sequence.optional(),
  /** A check that was carried out, whatever it found. */
  report: CheckReport.optional(),
});
export type CommandResult = z.infer<typeof CommandResult>;

/** Of 1500: a word of a closed list (`FAILURE_REASONS` of @lms/block-stream), of which a newer agent may know more. */
export const FailureWord = z.string().regex(/^[A-Z][A-Z0-9_]{1,39}$/, 'must be a reason, such as TCP_REFUSED');

/** The last failure on 1500, whether or not there is a session since. */
export const BlockStreamFailure = z.object({
  reason: FailureWord,
  message: Sentence,
  /** `host:port` as it was tried. */
  address: z.string().max(300).nullable(),
  /** IP addresses that the host's name stood for here; those of no name are empty. */
  resolved: z.array(z.string().max(64)).max(MAXIMUM_RESOLVED_ADDRESSES),
  at: Instant,
  /** When the first of these was, and how many there were in a row. */
  since: Instant,
  count: z.int().positive(),
});
export type BlockStreamFailure = z.infer<typeof BlockStreamFailure>;

/** Who reports, and how it fares on 1500: what a diagnosis needs of an agent. Agents of before say nothing of it. */
export const AgentSituation = z.object({
  /** Of this process. Two that take turns are two agents with one identity. */
  instanceId: z.string().min(1).max(64),
  hostName: z.string().max(255),
  certificateExpiresAt: Instant,
  connected: z.boolean(),
  failure: BlockStreamFailure.nullable(),
  /** What keeps or kept it from the manager, last; null: nothing since it started. */
  managerFailure: z.object({ message: Sentence, at: Instant }).nullable(),
});
export type AgentSituation = z.infer<typeof AgentSituation>;

export const AgentStatistics = z.object({
  at: Instant,
  state: ReplicationState,
  stallCause: StallCause.nullable(),
  stallDetail: Sentence.nullable(),
  detail: Sentence.nullable(),
  disks: z
    .array(z.object({ diskId: DiskId, replicatedBytes: Count, backlogBytes: Count, tracker: Tracker }))
    .max(MAXIMUM_DISKS),
  bytesReadSource: Count,
  bytesSentWire: Count,
  bytesRaw: Count,
  chunksRaw: Count,
  chunksCompressed: Count,
  trackerLosses: Count,
  lastPauseMicroseconds: Count.nullable(),
  residentBytes: Count,
  cpuSeconds: z.number().nonnegative(),
  situation: AgentSituation.optional(),
  /** Of what the agent sends on 1500, as it holds now; null: none. Agents of before have none and say nothing. */
  bandwidthLimitBitsPerSecond: Count.nullish(),
  /** To all disks since tracking began, rewrites counted each time. Agents of before do not tell. */
  bytesWritten: Count.optional(),
  /** … and of blocks that became dirty: what is rewritten before it is sent counts once. */
  bytesDirtied: Count.optional(),
});
export type AgentStatistics = z.infer<typeof AgentStatistics>;
export const AgentStatisticsBatch = z.object({
  batch: z.array(AgentStatistics).min(1).max(MAXIMUM_STATISTICS_BATCH),
  /** By the agent's clock, as it sends this: what its clock is off by follows. */
  sentAt: Instant.optional(),
});
export type AgentStatisticsBatch = z.infer<typeof AgentStatisticsBatch>;

const LogAttribute = z.union([z.string().max(4_096), z.number(), z.boolean(), z.null()]);
export const LogRecord = z.object({
  at: Instant,
  level: LogLevel,
  message: z.string().max(MAXIMUM_LOG_MESSAGE_LENGTH),
  attributes: z
    .record(z.string().max(128), LogAttribute)
    .refine((attributes) => Object.keys(attributes).length <= MAXIMUM_LOG_ATTRIBUTES, 'has more than 64 attributes')
    .optional(),
});
export type LogRecord = z.infer<typeof LogRecord>;
export const LogBatch = z.object({ batch: z.array(LogRecord).min(1).max(MAXIMUM_LOG_BATCH) });
export type LogBatch = z.infer<typeof LogBatch>;
