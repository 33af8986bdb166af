import { z } from 'zod';

/** The design's own words. */
export const REPLICATION_STATES = [
  'INITIATING',
  'INITIAL_SYNC',
  'BACKLOG',
  'CREATING_SNAPSHOT',
  'CONTINUOUS',
  'PAUSED',
  'RESCAN',
  'STALLED',
  'DISCONNECTED',
  'STOPPED',
] as const;
export const LIFECYCLE_STATES = [
  'PENDING_INSTALLATION',
  'NOT_READY',
  'READY_FOR_TEST',
  'TESTING',
  'READY_FOR_CUTOVER',
  'CUTTING_OVER',
  'CUTOVER',
  'DISCONNECTED',
] as const;
export const INITIATION_STEPS = [
  'CREATE_NETWORK_POLICY',
  'CREATE_STAGING_DISKS',
  'LAUNCH_REPLICATION_SERVER',
  'AUTHENTICATE_WITH_SERVICE',
  'PAIR_REPLICATION_SERVER_WITH_AGENT',
  'CONNECT_AGENT_TO_REPLICATION_SERVER',
  'START_DATA_TRANSFER',
] as const;
export const STEP_STATES = ['NOT_STARTED', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'SKIPPED'] as const;
export const STALL_CAUSES = [
  'AGENT_NOT_SEEN',
  'NOT_CONVERGING',
  'UNSTABLE_NETWORK',
  'UNSUPPORTED_CONFIGURATION',
  'STAGING_FULL',
  'SNAPSHOTS_FAILURE',
  'FAILED_TO_CREATE_NETWORK_POLICY',
  'FAILED_TO_CREATE_STAGING_DISKS',
  'FAILED_TO_LAUNCH_REPLICATION_SERVER',
  'FAILED_TO_AUTHENTICATE_WITH_SERVICE',
  'FAILED_TO_PAIR_REPLICATION_SERVER_WITH_AGENT',
  'FAILED_TO_CONNECT_AGENT_TO_REPLICATION_SERVER',
  'FAILED_TO_START_DATA_TRANSFER',
] as const;
export const OPERATION_STATES = ['pending', 'succeeded', 'failed'] as const;
export const OPERATION_KINDS = [
  'createPoint',
  'rescan',
  'pause',
  'resume',
  'verifyPoint',
  'exportDisk',
  'deletePoint',
  'pinPoint',
  'unpinPoint',
  'checkFromAgent',
  'checkFromReplicationServer',
] as const;
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export const LOG_SOURCES = ['agent', 'replication-server'] as const;

export const ReplicationState = z.enum(REPLICATION_STATES);
export const LifecycleState = z.enum(LIFECYCLE_STATES);
export const InitiationStep = z.enum(INITIATION_STEPS);
export const StepState = z.enum(STEP_STATES);
export const StallCause = z.enum(STALL_CAUSES);
export const OperationState = z.enum(OPERATION_STATES);
export const OperationKind = z.enum(OPERATION_KINDS);
export const LogLevel = z.enum(LOG_LEVELS);
export const LogSource = z.enum(LOG_SOURCES);
export const Consistency = z.enum(['crash', 'filesystem']);
export const Tracker = z.enum(['trace', 'scan']);
export const Compression = z.enum(['adaptive', 'on', 'off']);
/** `any`: whichever works, in the order that the installation prefers. */
export const BlockStreamUse = z.enum(['any', 'public', 'private']);

export type ReplicationState = z.infer<typeof ReplicationState>;
export type LifecycleState = z.infer<typeof LifecycleState>;
export type InitiationStep = z.infer<typeof InitiationStep>;
export type StepState = z.infer<typeof StepState>;
export type StallCause = z.infer<typeof StallCause>;
export type OperationState = z.infer<typeof OperationState>;
export type OperationKind = z.infer<typeof OperationKind>;
export type LogLevel = z.infer<typeof LogLevel>;
export type LogSource = z.infer<typeof LogSource>;
export type Consistency = z.infer<typeof Consistency>;
export type Tracker = z.infer<typeof Tracker>;
export type Compression = z.infer<typeof Compression>;
export type BlockStreamUse = z.infer<typeof BlockStreamUse>;
