/** What `lms-agent status` says, and the file below `/run` through which a running agent tells it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes, formatFields, formatOptional, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { z } from 'zod';
import type { AgentIdentity } from './state/agent-identity.ts';
import { describeProxy, showProxy } from './state/agent-proxies.ts';
import type { AgentProxies, ShownProxy } from './state/agent-proxies.ts';
import { describeRemoval } from './state/removal.ts';
import type { Removal } from './state/removal.ts';

export const STATUS_FILE = 'status.json';

export const RunningStatus = z.object({
  pid: z.int(),
  updatedAt: z.string(),
  replicationState: z.string(),
  stallCause: z.string().nullable(),
  detail: z.string().nullable(),
  connected: z.boolean(),
  blockStream: z.string().nullable(),
  /** Of what is sent on 1500, as it holds now, and until when; missing: an agent that knows no limit. */
  bandwidth: z
    .object({ limitBitsPerSecond: z.number().nullable(), until: z.string().nullable() })
    .nullable()
    .default(null),
  freezing: z.enum(['on', 'off', 'off-after-failures']),
  certificateExpiresAt: z.string(),
  manager: z.object({ lastContactAt: z.string().nullable(), failure: z.string().nullable() }),
  lastPoint: z.object({ sequence: z.int(), consistency: z.string(), createdAt: z.string() }).nullable(),
  disks: z.array(
    z.object({
      id: z.string(),
      device: z.string(),
      sizeBytes: z.int(),
      replicatedBytes: z.int(),
      backlogBytes: z.int(),
      tracker: z.string(),
    }),
  ),
  trackerLosses: z.int(),
  lastPauseMicroseconds: z.number().nullable(),
  droppedRecords: z.object({ statistics: z.int(), logs: z.int() }),
  /** Which version of the proxies it uses. */
  proxiesChangedAt: z.string(),
});
export type RunningStatus = z.infer<typeof RunningStatus>;

/** null: no agent has run since the boot. */
export function readRunningStatus(folder: string): RunningStatus | null {
  try {
    return RunningStatus.parse(JSON.parse(readFileSync(join(folder, STATUS_FILE), 'utf8')));
  } catch {
    return null;
  }
}

export interface StatusReport {
  readonly stateDir: string;
  readonly identity: AgentIdentity;
  /** Of the process that holds the state folder; null: none does. */
  readonly pid: number | null;
  readonly running: RunningStatus | null;
  /** An operator has removed the machine; null: not as far as is known here. */
  readonly removal: Removal | null;
  /** null: the file is damaged. */
  readonly proxies: AgentProxies | null;
}

export function statusResult({ stateDir, identity, pid, running, removal, proxies }: StatusReport): Result {
  // What a process said that is gone is not how things are.
  const now = pid === null || running?.pid !== pid ? null : running;
  const disks = identity.disks.map(({ diskId, device, sizeBytes }) => {
    const disk = now?.disks.find((candidate) => candidate.id === diskId);
    return disk ?? { id: diskId, device, sizeBytes, replicatedBytes: null, backlogBytes: null, tracker: null };
  });
  const value = {
    machineId: identity.machineId,
    name: identity.name,
    managerUrl: identity.managerUrl,
    enrolledAt: identity.enrolledAt,
    removedAt: removal?.learnedAt ?? null,
    stateDir,
    running: pid !== null,
    pid,
    updatedAt: now?.updatedAt ?? null,
    replicationState: removal === null ? (now?.replicationState ?? null) : 'STOPPED',
    stallCause: removal === null ? (now?.stallCause ?? null) : null,
    detail: removal === null ? (now?.detail ?? null) : describeRemoval(removal, stateDir),
    connected: removal === null && (now?.connected ?? false),
    blockStream: now?.blockStream ?? null,
    bandwidth: now?.bandwidth ?? null,
    freezing: now?.freezing ?? null,
    certificateExpiresAt: now?.certificateExpiresAt ?? null,
    manager: now?.manager ?? null,
    lastPoint: now?.lastPoint ?? null,
    trackerLosses: now?.trackerLosses ?? null,
    lastPauseMicroseconds: now?.lastPauseMicroseconds ?? null,
    droppedRecords: now?.droppedRecords ?? null,
    proxy: showProxy(proxies?.manager ?? null),
    blockStreamProxy: showProxy(proxies?.blockStream ?? null),
    proxyInUse: now === null || proxies === null ? null : now.proxiesChangedAt === proxies.changedAt,
    disks,
  };
  return { value, names: () => [value.machineId], table: () => statusTable(value) };
}

interface StatusValue extends Pick<AgentIdentity, 'machineId' | 'name' | 'managerUrl'> {
  readonly pid: number | null;
  readonly replicationState: string | null;
  readonly stallCause: string | null;
  readonly detail: string | null;
  readonly connected: boolean;
  readonly blockStream: string | null;
  readonly bandwidth: RunningStatus['bandwidth'];
  readonly manager: RunningStatus['manager'] | null;
  readonly lastPoint: RunningStatus['lastPoint'];
  readonly proxy: ShownProxy | null;
  readonly blockStreamProxy: ShownProxy | null;
  readonly proxyInUse: boolean | null;
  readonly disks: readonly {
    readonly id: string;
    readonly device: string;
    readonly sizeBytes: number;
    readonly replicatedBytes: number | null;
    readonly backlogBytes: number | null;
  }[];
}

function statusTable(value: StatusValue): string {
  const state = formatOptional(value.replicationState);
  const fields: (readonly [string, string])[] = [
    ['machine', `${value.name} (${value.machineId})`],
    ['running', value.pid === null ? 'no' : `yes, process ${value.pid}`],
    ['replication', value.stallCause === null ? state : `${state} (${value.stallCause})`],
    [
      'block stream',
      value.blockStream === null
        ? 'not assigned yet'
        : `${value.blockStream}, ${value.connected ? 'connected' : 'not connected'}`,
    ],
    ['bandwidth limit', bandwidthText(value.bandwidth)],
    ['manager', `${value.managerUrl}, last contact ${formatOptional(value.manager?.lastContactAt ?? null)}`],
    [
      'last point',
      value.lastPoint === null
        ? 'none'
        : `${value.lastPoint.sequence} (${value.lastPoint.consistency}, ${value.lastPoint.createdAt})`,
    ],
  ];
  const notYet = value.proxyInUse === false ? ' (not in use yet)' : '';
  if (value.proxy !== null || notYet !== '') fields.push(['proxy', `${describeProxy(value.proxy)}${notYet}`]);
  if (value.blockStreamProxy !== null) fields.push(['block-stream proxy', describeProxy(value.blockStreamProxy)]);
  if (value.detail !== null) fields.push(['detail', value.detail]);
  if (value.manager?.failure) fields.push(['manager away', value.manager.failure]);
  const disks = formatTable(
    ['DISK', 'DEVICE', 'SIZE', 'REPLICATED', 'BACKLOG'],
    value.disks.map((disk) => [
      disk.id,
      disk.device,
      formatBytes(disk.sizeBytes),
      formatBytes(disk.replicatedBytes),
      formatBytes(disk.backlogBytes),
    ]),
  );
  return `${formatFields(fields)}\n\n${disks}`;
}

function bandwidthText(bandwidth: RunningStatus['bandwidth']): string {
  if (bandwidth === null) return formatOptional(null);
  const { limitBitsPerSecond, until } = bandwidth;
  const limit = limitBitsPerSecond === null ? 'none' : `${limitBitsPerSecond / 1_000_000} Mbit/s`;
  return until === null ? limit : `${limit}, until ${until}`;
}
