/**
 * Replication Settings: for all machines, and for one. What is asked for is strict; answers are not, so that an agent or a
 * replication server of before takes the settings of a manager that knows more of them.
 */
import { ProxySettings } from '@lms/proxy';
import { z } from 'zod';
import { Bandwidth, UNLIMITED } from './bandwidth.ts';
import { MAXIMUM_NO_PROXY_ENTRIES, MAXIMUM_PEM_LENGTH, MAXIMUM_RETENTION_ROWS } from './limits.ts';
import { Instant, MachineId, OperationId, Sentence } from './values.ts';
import { BlockStreamUse, Compression } from './words.ts';

const RETENTION_ROW = {
  everySeconds: z.int().positive().max(31_536_000),
  keepSeconds: z.int().positive().max(315_360_000),
};
export const RetentionRow = z.object(RETENTION_ROW);
export type RetentionRow = z.infer<typeof RetentionRow>;

const BLOCK_STREAM_HOST = {
  host: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[^\s/@]+$/, 'must be a host name or an IP address'),
  port: z.int().min(1).max(65_535).nullable().default(null),
};
/** A port of null is the port that the installation found. */
export const BlockStreamHost = z.object(BLOCK_STREAM_HOST);
export type BlockStreamHost = z.infer<typeof BlockStreamHost>;

/** Which addresses of its replication server a machine is told. An address of null is the one that the installation found. */
export const BlockStreamSettings = z.object({
  use: BlockStreamUse,
  public: BlockStreamHost.nullable(),
  private: BlockStreamHost.nullable(),
});
export type BlockStreamSettings = z.infer<typeof BlockStreamSettings>;

/** What an agent is told of its machine's settings. */
export const AgentSettings = z.object({
  /** How often a point is attempted when the machine is quiet. */
  pointIntervalSeconds: z.int().min(1).max(86_400),
  /** At most this often by freezing, unless asked. */
  freezeIntervalSeconds: z.int().min(1).max(86_400),
  freezing: z.boolean(),
  compression: Compression,
  /** Managers of before know of none. */
  bandwidth: Bandwidth.default(UNLIMITED),
});
export type AgentSettings = z.infer<typeof AgentSettings>;

/** What holds for a machine. */
export const ReplicationSettings = AgentSettings.extend({
  /** Of every `everySeconds` the newest point is kept, for `keepSeconds`. */
  retention: z.array(RetentionRow).min(1).max(MAXIMUM_RETENTION_ROWS),
  blockStream: BlockStreamSettings,
});
export type ReplicationSettings = z.infer<typeof ReplicationSettings>;

export const SETTING_NAMES = [
  'pointIntervalSeconds',
  'freezeIntervalSeconds',
  'freezing',
  'compression',
  'retention',
  'blockStream.use',
  'blockStream.public',
  'blockStream.private',
  'bandwidth',
] as const;
export const SettingName = z.enum(SETTING_NAMES);
export type SettingName = z.infer<typeof SettingName>;

/** Addresses are taken away from an agent only when it has reached one of those that stay. */
export const PendingBlockStreamChange = z.object({
  since: Instant,
  /** Why not yet. */
  reason: Sentence,
  /** null: a check is under way. */
  nextCheckAt: Instant.nullable(),
});
export type PendingBlockStreamChange = z.infer<typeof PendingBlockStreamChange>;

/** What names the content of settings: given back as If-Match, a change is refused when somebody else was faster. */
const SettingsRevision = z.string().regex(/^\d{1,20}$/);

export const MachineSettings = ReplicationSettings.extend({
  revision: SettingsRevision,
  /** Those that were set for this machine; the others are the installation's. */
  overrides: z.array(SettingName),
  /** null: the agent is told the addresses that `blockStream` names, and no other. */
  blockStreamChange: PendingBlockStreamChange.nullable(),
});
export type MachineSettings = z.infer<typeof MachineSettings>;

/** What is named is set; null sets it back to what holds without it. */
export const ReplicationSettingsChange = z.strictObject({
  pointIntervalSeconds: AgentSettings.shape.pointIntervalSeconds.nullish(),
  freezeIntervalSeconds: AgentSettings.shape.freezeIntervalSeconds.nullish(),
  freezing: z.boolean().nullish(),
  compression: Compression.nullish(),
  retention: z.array(z.strictObject(RETENTION_ROW)).min(1).max(MAXIMUM_RETENTION_ROWS).nullish(),
  blockStream: z
    .strictObject({
      use: BlockStreamUse.nullish(),
      public: z.strictObject(BLOCK_STREAM_HOST).nullish(),
      private: z.strictObject(BLOCK_STREAM_HOST).nullish(),
    })
    .nullish(),
  bandwidth: Bandwidth.nullish(),
});
export type ReplicationSettingsChange = z.infer<typeof ReplicationSettingsChange>;
export type ReplicationSettingsRequest = z.input<typeof ReplicationSettingsChange>;

/** How replication servers reach the manager. */
const STAGING_PROXY = {
  /** http:// or https://, without user or password. */
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .refine((url) => !URL.canParse(url) || new URL(url).username === '', 'must not have a user: give it on its own'),
  username: z.string().min(1).max(256).nullable().default(null),
  noProxy: z.array(z.string().min(1).max(253)).max(MAXIMUM_NO_PROXY_ENTRIES).default([]),
  /** Trusted for an https:// proxy, and for certificates on 443 that a proxy signs anew. */
  caPem: z.string().min(1).max(MAXIMUM_PEM_LENGTH).nullable().default(null),
};
export const StagingProxy = z.object({ ...STAGING_PROXY, passwordSet: z.boolean() });
export type StagingProxy = z.infer<typeof StagingProxy>;
export const StagingProxyChange = z.strictObject({
  ...STAGING_PROXY,
  // What a replication server could not use is said to whoever sets it.
  url: ProxySettings.shape.url,
  username: ProxySettings.shape.username.default(null),
  noProxy: ProxySettings.shape.noProxy.default([]),
  /** Of its user, never shown again. Missing: the one of before; null: none. */
  password: z.string().min(1).max(1_024).nullish(),
});
export type StagingProxyChange = z.infer<typeof StagingProxyChange>;

export const InstallationSettings = ReplicationSettings.extend({
  revision: SettingsRevision,
  /** Those that an operator has set; the others are as the product brings them. */
  overrides: z.array(SettingName),
  /** null: replication servers reach the manager as they were installed, which is directly unless a proxy was named there. */
  stagingProxy: StagingProxy.nullable(),
  /** Of each replication server, over all its machines. */
  replicationServerBandwidth: Bandwidth,
});
export type InstallationSettings = z.infer<typeof InstallationSettings>;

export const InstallationSettingsChange = ReplicationSettingsChange.extend({
  stagingProxy: StagingProxyChange.nullish(),
  replicationServerBandwidth: Bandwidth.nullish(),
});
export type InstallationSettingsChange = z.infer<typeof InstallationSettingsChange>;
export type InstallationSettingsRequest = z.input<typeof InstallationSettingsChange>;

/** What replication servers are told beside their machines. The only answer with the proxy's password. */
export const ReplicationServerSettings = z.object({
  bandwidth: Bandwidth,
  proxy: z.object({ ...STAGING_PROXY, password: z.string().nullable() }).nullable(),
});
export type ReplicationServerSettings = z.infer<typeof ReplicationServerSettings>;

export const SettingsQuery = z.strictObject({ dryRun: z.enum(['true', 'false']).default('false') });

/** What a change would do; nothing is changed. */
export const SettingsPreview = z.object({
  machines: z.array(
    z.object({
      id: MachineId,
      name: z.string(),
      agentConnected: z.boolean(),
      changes: z.array(z.object({ setting: SettingName, from: z.json(), to: z.json(), effect: Sentence })),
      /** Addresses that the agent would be told no longer; null: it keeps all that it has. */
      blockStream: z
        .object({
          withdrawn: z.array(z.string()),
          remaining: z.array(z.string()),
          /** What the agent finds out about each of `remaining`: `GET /v1/operations/{id}`. */
          checks: z.array(z.object({ address: z.string(), operationId: OperationId })),
        })
        .nullable(),
    }),
  ),
  /** What changes beside the machines' settings, a sentence each. */
  effects: z.array(Sentence),
});
export type SettingsPreview = z.infer<typeof SettingsPreview>;
