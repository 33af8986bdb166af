/** Replication Settings of REST ↔ those of the services' contracts. */
import type {
  AgentSettings,
  Bandwidth,
  BandwidthRow,
  BlockStreamHost,
  InstallationSettings,
  MachineSettings,
  PendingBlockStreamChange,
  ReplicationServerSettings,
  ReplicationSettings,
  ReplicationSettingsChange,
  SettingName,
  StagingProxyChange,
  Weekday,
} from '@lms/api';
import { LmsError } from '@lms/errors';
import {
  SettingValues,
  type SettingsChange,
  type BandwidthSettings,
  type BandwidthRow as ProtoRow,
  type BlockStreamHost as ProtoHost,
  type GetSettingsResponse,
  type Machine,
  type PendingBlockStreamChange as ProtoPending,
  type ReplicationServerSettings as ProtoServerSettings,
  type ReplicationSettings as ProtoSettings,
  type StagingProxy,
  type StagingProxyChange as ProtoProxyChange,
} from '@lms/proto';
import { instant, optionalCount, optionalInstant, optionalText } from './values.ts';
import { blockStreamUseWords, compressionWords } from './words.ts';

/** By their names in the contract. */
const SETTING_NAMES = {
  pointIntervalSeconds: 'pointIntervalSeconds',
  freezeIntervalSeconds: 'freezeIntervalSeconds',
  freezing: 'freezing',
  compression: 'compression',
  retention: 'retention',
  blockStreamUse: 'blockStream.use',
  blockStreamPublic: 'blockStream.public',
  blockStreamPrivate: 'blockStream.private',
  bandwidth: 'bandwidth',
} as const satisfies Readonly<Partial<Record<keyof SettingValues, SettingName>>>;

const WEEKDAYS: readonly Weekday[] = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];

export function agentSettings(settings: ProtoSettings): AgentSettings {
  return {
    pointIntervalSeconds: settings.pointIntervalSeconds,
    freezeIntervalSeconds: settings.freezeIntervalSeconds,
    freezing: settings.freezing,
    compression: compressionWords.requireRest(settings.compression),
    bandwidth: bandwidthAnswer(settings.bandwidth),
  };
}

export function replicationSettings(settings: ProtoSettings): ReplicationSettings {
  const { blockStream } = settings;
  return {
    ...agentSettings(settings),
    retention: settings.retention,
    blockStream: {
      use: blockStreamUseWords.toRest(blockStream?.use ?? 0) ?? 'any',
      public: hostAnswer(blockStream?.public),
      private: hostAnswer(blockStream?.private),
    },
  };
}

export function machineSettings(machine: Machine, change: PendingBlockStreamChange | null): MachineSettings {
  if (machine.settings === undefined) throw new LmsError('INTERNAL', 'the registry sent no settings');
  return {
    ...replicationSettings(machine.settings),
    overrides: namesOf(machine.settingOverrides),
    blockStreamChange: change,
    revision: `${machine.overridesRevision}`,
  };
}

export function installationSettings(answer: GetSettingsResponse | undefined): InstallationSettings {
  if (answer?.effectiveDefaults === undefined) throw new LmsError('INTERNAL', 'the registry sent no settings');
  const { settings, effectiveDefaults, revision } = answer;
  return {
    ...replicationSettings(effectiveDefaults),
    overrides: namesOf(settings?.defaults),
    stagingProxy:
      settings?.stagingProxy === undefined
        ? null
        : { ...proxyAnswer(settings.stagingProxy), passwordSet: settings.stagingProxy.passwordSet },
    replicationServerBandwidth: bandwidthAnswer(settings?.replicationServerBandwidth),
    revision: `${revision}`,
  };
}

export function replicationServerSettings(settings: ProtoServerSettings | undefined): ReplicationServerSettings {
  const proxy = settings?.proxy;
  return {
    bandwidth: bandwidthAnswer(settings?.bandwidth),
    proxy:
      proxy === undefined
        ? null
        : { ...proxyAnswer(proxy), password: proxy.username === '' ? null : (settings?.proxyPassword ?? '') },
  };
}

export function pendingChange(pending: ProtoPending | undefined): PendingBlockStreamChange | null {
  if (pending === undefined) return null;
  const { since, reason, nextCheckAt } = pending;
  return { since: instant(since), reason, nextCheckAt: optionalInstant(nextCheckAt) };
}

export function settingsChange(change: ReplicationSettingsChange): SettingsChange {
  const { blockStream, compression, retention, bandwidth } = change;
  const wanted: Readonly<Record<keyof typeof SETTING_NAMES, unknown>> = {
    pointIntervalSeconds: change.pointIntervalSeconds,
    freezeIntervalSeconds: change.freezeIntervalSeconds,
    freezing: change.freezing,
    compression: translated(compression, (word) => compressionWords.toProto(word)),
    retention: translated(retention, (rows) => ({ rows })),
    // null for all of it is null for each part.
    blockStreamUse: translated(blockStream === null ? null : blockStream?.use, (word) =>
      blockStreamUseWords.toProto(word),
    ),
    blockStreamPublic: translated(blockStream === null ? null : blockStream?.public, hostChange),
    blockStreamPrivate: translated(blockStream === null ? null : blockStream?.private, hostChange),
    bandwidth: translated(bandwidth, bandwidthChange),
  };
  const entries = Object.entries(wanted);
  const set = entries.filter(([, value]) => value !== undefined && value !== null);
  return {
    set: { ...SettingValues.fromPartial({}), ...(Object.fromEntries(set) as Partial<SettingValues>) },
    unset: entries.filter(([, value]) => value === null).map(([name]) => name),
  };
}

export function stagingProxyChange(change: StagingProxyChange): ProtoProxyChange {
  const { url, username, noProxy, caPem, password } = change;
  return {
    proxy: {
      url,
      username: username ?? '',
      noProxy,
      caPem: caPem ?? '',
      passwordSet: username !== null && password !== null,
    },
    password: password ?? '',
  };
}

export function bandwidthChange({ limitBitsPerSecond, schedule, timeZone }: Bandwidth): BandwidthSettings {
  return { ...limitChange(limitBitsPerSecond), schedule: schedule.map(rowChange), timeZone };
}

function bandwidthAnswer(bandwidth: BandwidthSettings | undefined): Bandwidth {
  return {
    limitBitsPerSecond: optionalCount(bandwidth?.limitBitsPerSecond),
    schedule: (bandwidth?.schedule ?? []).map(rowAnswer),
    timeZone: bandwidth?.timeZone || 'UTC',
  };
}

function rowAnswer({ days, fromMinute, toMinute, limitBitsPerSecond }: ProtoRow): BandwidthRow {
  return {
    days: days.flatMap((day) => WEEKDAYS[day - 1] ?? []),
    from: clockTime(fromMinute),
    to: clockTime(toMinute),
    limitBitsPerSecond: optionalCount(limitBitsPerSecond),
  };
}

function rowChange({ days, from, to, limitBitsPerSecond }: BandwidthRow): ProtoRow {
  return {
    days: [...new Set(days)].map((day) => WEEKDAYS.indexOf(day) + 1).sort((one, other) => one - other),
    fromMinute: minuteOf(from),
    toMinute: minuteOf(to),
    ...limitChange(limitBitsPerSecond),
  };
}

function limitChange(bitsPerSecond: number | null) {
  return bitsPerSecond === null ? {} : { limitBitsPerSecond: BigInt(bitsPerSecond) };
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function clockTime(minute: number): string {
  return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
}

function hostAnswer(address: ProtoHost | undefined): BlockStreamHost | null {
  return address === undefined ? null : { host: address.host, port: address.port === 0 ? null : address.port };
}

function hostChange({ host, port }: BlockStreamHost): ProtoHost {
  return { host, port: port ?? 0 };
}

function proxyAnswer({ url, username, noProxy, caPem }: StagingProxy) {
  return { url, username: optionalText(username), noProxy, caPem: optionalText(caPem) };
}

function translated<From, To>(value: From | null | undefined, translate: (value: From) => To): To | null | undefined {
  if (value === undefined) return undefined;
  return value === null ? null : translate(value);
}

function namesOf(values: SettingValues | undefined): SettingName[] {
  return Object.entries(SETTING_NAMES)
    .filter(([name]) => {
      const value = values?.[name as keyof typeof SETTING_NAMES];
      const isUnspecified = (name === 'compression' || name === 'blockStreamUse') && value === 0;
      return value !== undefined && !isUnspecified;
    })
    .map(([, name]) => name);
}
