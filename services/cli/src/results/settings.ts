import type {
  InstallationSettings,
  MachineSettings,
  ReplicationSettings,
  SettingName,
  SettingsPreview,
} from '@lms/api';
import { formatDurationSeconds, formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { formatAddress, formatBandwidth, formatRetention } from '../settings/setting-texts.ts';

export function machineSettingsResult(settings: MachineSettings): Result {
  return {
    value: settings,
    names: () => namesOf(settings),
    table: () => {
      const fields = settingFields(settings);
      fields.push(['set for it alone', overriddenOf(settings.overrides)]);
      const change = settings.blockStreamChange;
      if (change !== null) {
        const next = change.nextCheckAt === null ? '' : `; tried again at ${change.nextCheckAt}`;
        fields.push(['addresses', `not moved yet, since ${change.since}: ${change.reason}${next}`]);
      }
      return formatFields(fields);
    },
  };
}

export function installationSettingsResult(settings: InstallationSettings): Result {
  return {
    value: settings,
    names: () => namesOf(settings),
    table: () => {
      const { stagingProxy, replicationServerBandwidth } = settings;
      const user = stagingProxy?.username === null ? 'without a user' : `as ${stagingProxy?.username ?? ''}`;
      return formatFields([
        ...settingFields(settings),
        ['set', overriddenOf(settings.overrides)],
        ['staging proxy', stagingProxy === null ? 'none' : `${stagingProxy.url}, ${user}`],
        ['replication server', formatBandwidth(replicationServerBandwidth)],
      ]);
    },
  };
}

function settingFields(settings: ReplicationSettings): [string, string][] {
  const { blockStream } = settings;
  return [
    ['point interval', formatDurationSeconds(settings.pointIntervalSeconds)],
    ['freeze interval', formatDurationSeconds(settings.freezeIntervalSeconds)],
    ['freezing', settings.freezing ? 'on' : 'off'],
    ['compression', settings.compression],
    ['retention', formatRetention(settings.retention)],
    ['block stream use', blockStream.use],
    ['public address', formatAddress(blockStream.public)],
    ['private address', formatAddress(blockStream.private)],
    ['bandwidth', formatBandwidth(settings.bandwidth)],
  ];
}

function overriddenOf(overrides: readonly SettingName[]): string {
  return overrides.length === 0 ? 'nothing' : overrides.join(', ');
}

function namesOf(settings: object): readonly string[] {
  return Object.entries(settings).map(([name, value]) => `${name}=${textOf(value)}`);
}

export interface CheckVerdict {
  readonly reached: boolean;
  /** One sentence; empty: it was reached. */
  readonly reason: string;
}

/** `verdicts`: what the agents found out, by the id of the operation. */
export function previewResult(preview: SettingsPreview, verdicts: ReadonlyMap<string, CheckVerdict>): Result {
  const { machines, effects } = preview;
  return {
    value: { ...preview, machines: machines.map((machine) => withVerdicts(machine, verdicts)) },
    names: () => machines.map(({ id }) => id),
    table: () => {
      const rows = machines.flatMap(({ name, changes, blockStream, agentConnected }) => [
        ...changes.map(({ setting, from, to, effect }) => [name, setting, textOf(from), textOf(to), effect]),
        ...(blockStream?.checks ?? []).map(({ address, operationId }) => [
          name,
          'check 1500',
          (blockStream?.withdrawn ?? []).join(' '),
          address,
          verdictText(verdicts.get(operationId)),
        ]),
        ...(blockStream !== null && blockStream.checks.length === 0
          ? [
              [
                name,
                'check 1500',
                blockStream.withdrawn.join(' '),
                blockStream.remaining.join(' '),
                unchecked(blockStream.remaining, agentConnected),
              ],
            ]
          : []),
      ]);
      const changed =
        rows.length === 0 ? 'No machine changes.' : formatTable(['MACHINE', 'SETTING', 'FROM', 'TO', 'EFFECT'], rows);
      return [changed, ...effects, 'Nothing was changed.'].join('\n');
    },
  };
}

function withVerdicts(machine: SettingsPreview['machines'][number], verdicts: ReadonlyMap<string, CheckVerdict>) {
  const { blockStream } = machine;
  if (blockStream === null) return machine;
  const checks = blockStream.checks.map((check) => ({ ...check, ...verdicts.get(check.operationId) }));
  return { ...machine, blockStream: { ...blockStream, checks } };
}

function verdictText(verdict: CheckVerdict | undefined): string {
  if (verdict === undefined) return 'Not known.';
  if (verdict.reached) return 'Its agent reaches it: the session would move.';
  return `Its agent does not reach it, and the old one would stay: ${verdict.reason}`;
}

function unchecked(remaining: readonly string[], agentConnected: boolean): string {
  if (remaining.length === 0) return 'No address is known that it could move to: the old one would stay.';
  if (!agentConnected)
    return 'Its agent is not connected: the old address would stay until it has reached the new one.';
  return 'Not asked: many machines are. The old address would stay until it has reached the new one.';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
