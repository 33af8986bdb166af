/** The options of `lms settings set` and `lms machine settings`, and the change that they ask for. */
import { readFile } from 'node:fs/promises';
import {
  BlockStreamUse,
  Compression,
  SETTING_NAMES,
  type Bandwidth,
  type BandwidthRow,
  type BlockStreamHost,
  type InstallationSettings,
  type InstallationSettingsRequest,
  type ReplicationSettings,
  type ReplicationSettingsRequest,
  type RetentionRow,
  type SettingName,
} from '@lms/api';
import { CommandError, collect, readSecretFile, readSecretStream, withExit } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { parseProxyUrl } from '@lms/proxy';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { parseAddress, parseLimit, parseRetention, parseSchedule, parseSeconds } from './setting-texts.ts';

const LONGEST_INTERVAL_SECONDS = 86_400;

export interface SettingOptions {
  readonly freezing?: 'on' | 'off';
  readonly pointInterval?: number;
  readonly freezeInterval?: number;
  readonly compression?: Compression;
  readonly retention?: RetentionRow[];
  readonly blockStreamUse?: BlockStreamUse;
  readonly publicAddress?: BlockStreamHost;
  readonly privateAddress?: BlockStreamHost;
  readonly bandwidth?: number | null;
  readonly bandwidthSchedule?: BandwidthRow[];
  readonly timeZone?: string;
  readonly unset?: readonly SettingName[];
}

export interface InstallationOptions extends SettingOptions {
  readonly replicationServerBandwidth?: number | null;
  readonly replicationServerSchedule?: BandwidthRow[];
  /** false: --no-staging-proxy. */
  readonly stagingProxy?: string | false;
  readonly stagingProxyUser?: string;
  readonly stagingProxyPasswordFile?: string;
  readonly stagingProxyPasswordStdin?: boolean;
  readonly stagingProxyCa?: string;
  readonly stagingNoProxy?: readonly string[];
}

export function addSettingOptions(command: Command): Command {
  return command
    .addOption(new Option('--freezing <switch>', 'freeze file systems for points').choices(['on', 'off']))
    .option('--point-interval <time>', 'how often a point is attempted', parseInterval)
    .option('--freeze-interval <time>', 'least time between freezes that nobody asked for', parseInterval)
    .addOption(new Option('--compression <choice>', 'of what is sent').choices(Compression.options))
    .option('--retention <rows>', 'EVERY:KEEP, such as 10m:1h,1h:1d,1d:7d', parseRetention)
    .addOption(
      new Option('--block-stream-use <way>', 'by which address agents connect').choices(BlockStreamUse.options),
    )
    .option('--public-address <host[:port]>', 'the public address of 1500', parseAddress)
    .option('--private-address <host[:port]>', 'the private address of 1500', parseAddress)
    .option('--bandwidth <rate>', 'limit of what an agent sends, such as 50Mbit/s, or none', parseLimit)
    .option('--bandwidth-schedule <rows>', 'such as "mon-fri 08:00-18:00 10Mbit/s", or none', parseSchedule)
    .option('--time-zone <name>', 'of the schedules, such as Europe/Berlin')
    .option('--unset <name>', `back to what holds without it: ${SETTING_NAMES.join(', ')}; repeatable`, collectName);
}

export function addInstallationOptions(command: Command): Command {
  return addSettingOptions(command)
    .option('--replication-server-bandwidth <rate>', 'limit of each replication server over all machines', parseLimit)
    .option('--replication-server-schedule <rows>', 'as --bandwidth-schedule', parseSchedule)
    .option('--staging-proxy <url>', 'how replication servers reach the manager', parseProxy)
    .option('--no-staging-proxy', 'they reach it directly')
    .option('--staging-proxy-user <name>', 'its user')
    .option('--staging-proxy-password-file <file>', 'where its password stands')
    .option('--staging-proxy-password-stdin', 'its password comes from stdin')
    .option('--staging-proxy-ca <file>', 'CA of an https:// proxy, or of one that signs certificates anew')
    .option('--staging-no-proxy <host>', 'reached without it; repeatable', collect);
}

export function changeOf(
  options: SettingOptions,
  current: Pick<ReplicationSettings, 'bandwidth'>,
): ReplicationSettingsRequest {
  const { freezing, pointInterval, freezeInterval, compression, retention, unset = [] } = options;
  const { blockStreamUse, publicAddress, privateAddress } = options;
  const isUnset = (name: SettingName): boolean => unset.includes(name);
  const bandwidth = bandwidthOf(options.bandwidth, options.bandwidthSchedule, options.timeZone, current.bandwidth);
  const blockStream = withoutUndefined({
    use: isUnset('blockStream.use') ? null : blockStreamUse,
    public: isUnset('blockStream.public') ? null : publicAddress,
    private: isUnset('blockStream.private') ? null : privateAddress,
  });
  return withoutUndefined({
    freezing: isUnset('freezing') ? null : freezing === undefined ? undefined : freezing === 'on',
    pointIntervalSeconds: isUnset('pointIntervalSeconds') ? null : pointInterval,
    freezeIntervalSeconds: isUnset('freezeIntervalSeconds') ? null : freezeInterval,
    compression: isUnset('compression') ? null : compression,
    retention: isUnset('retention') ? null : retention,
    blockStream: Object.keys(blockStream).length === 0 ? undefined : blockStream,
    bandwidth: isUnset('bandwidth') ? null : bandwidth,
  });
}

export async function installationChangeOf(
  options: InstallationOptions,
  current: InstallationSettings,
): Promise<InstallationSettingsRequest> {
  const { replicationServerBandwidth, replicationServerSchedule } = options;
  const serverLimit = bandwidthOf(
    replicationServerBandwidth,
    replicationServerSchedule,
    undefined,
    current.replicationServerBandwidth,
  );
  return {
    ...changeOf(options, current),
    ...withoutUndefined({
      replicationServerBandwidth: serverLimit && { ...serverLimit, timeZone: options.timeZone ?? serverLimit.timeZone },
      stagingProxy: await stagingProxyOf(options, current),
    }),
  };
}

export function namesInstallation(options: InstallationOptions): boolean {
  const { replicationServerBandwidth, replicationServerSchedule, stagingProxyUser, stagingProxyCa } = options;
  return [
    replicationServerBandwidth,
    replicationServerSchedule,
    options.stagingProxy,
    stagingProxyUser,
    stagingProxyCa,
    options.stagingProxyPasswordFile,
    options.stagingProxyPasswordStdin,
    options.stagingNoProxy,
  ].some((one) => one !== undefined);
}

/** What is not given stays as it is; undefined: nothing was given. */
function bandwidthOf(
  limit: number | null | undefined,
  schedule: BandwidthRow[] | undefined,
  timeZone: string | undefined,
  current: Bandwidth,
): Bandwidth | undefined {
  if (limit === undefined && schedule === undefined && timeZone === undefined) return undefined;
  return {
    limitBitsPerSecond: limit === undefined ? current.limitBitsPerSecond : limit,
    schedule: schedule ?? current.schedule,
    timeZone: timeZone ?? current.timeZone,
  };
}

async function stagingProxyOf(
  options: InstallationOptions,
  { stagingProxy: before }: InstallationSettings,
): Promise<InstallationSettingsRequest['stagingProxy']> {
  const { stagingProxy, stagingProxyUser, stagingProxyPasswordFile, stagingProxyCa, stagingNoProxy } = options;
  if (stagingProxy === false) return null;
  const given = [stagingProxy, stagingProxyUser, stagingProxyPasswordFile, stagingProxyCa, stagingNoProxy];
  if (given.every((one) => one === undefined) && options.stagingProxyPasswordStdin !== true) return undefined;
  const url = stagingProxy ?? before?.url;
  if (url === undefined) {
    throw new CommandError('usage', 'INVALID_ARGUMENT', 'there is no proxy of the staging area yet', {
      action: 'Name it with --staging-proxy.',
    });
  }
  const password = await passwordOf(options);
  return {
    url,
    username: stagingProxyUser ?? before?.username ?? null,
    noProxy: [...(stagingNoProxy ?? before?.noProxy ?? [])],
    caPem: stagingProxyCa === undefined ? (before?.caPem ?? null) : await readCa(stagingProxyCa),
    ...(password === undefined ? {} : { password }),
  };
}

async function passwordOf(options: InstallationOptions): Promise<string | undefined> {
  const { stagingProxyPasswordFile: file, stagingProxyPasswordStdin } = options;
  if (file !== undefined) return readSecretFile(file, 'password of the proxy');
  return stagingProxyPasswordStdin === true ? readSecretStream(process.stdin, 'password of the proxy') : undefined;
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot read the CA of the proxy from ${path}`);
  }
}

function parseInterval(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds >= 1 && seconds <= LONGEST_INTERVAL_SECONDS) return seconds;
  throw new InvalidArgumentError('Whole seconds are needed, at most 1d.');
}

function parseProxy(text: string): string {
  try {
    return parseProxyUrl(text);
  } catch (thrown) {
    throw new InvalidArgumentError(toLmsError(thrown).message);
  }
}

function collectName(text: string, before: readonly SettingName[] | undefined): readonly SettingName[] {
  const name = SETTING_NAMES.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`One of ${SETTING_NAMES.join(', ')} is needed.`);
  return [...(before ?? []), name];
}

function withoutUndefined<Value extends object>(
  value: Value,
): { [Name in keyof Value]?: Exclude<Value[Name], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Value]?: Exclude<Value[Name], undefined> };
}
