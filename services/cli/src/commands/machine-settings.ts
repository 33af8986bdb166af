import { Compression } from '@lms/api';
import type { MachineSettings, ReplicationSettingsRequest } from '@lms/api';
import { formatDurationSeconds, formatFields, parseDuration } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ManagerSession } from '../session.ts';
import { MACHINE } from './arguments.ts';

interface SettingsOptions {
  readonly freezing?: 'on' | 'off';
  readonly pointInterval?: number;
  readonly freezeInterval?: number;
  readonly compression?: MachineSettings['compression'];
}

export function addSettingsCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('settings')
    .description('show the replication settings of a source machine, after changing those that are given')
    .argument(...MACHINE)
    .addOption(new Option('--freezing <switch>', 'freeze file systems for points').choices(['on', 'off']))
    .option('--point-interval <time>', 'how often a point is attempted', parseSeconds)
    .option('--freeze-interval <time>', 'least time between freezes that nobody asked for', parseSeconds)
    .addOption(new Option('--compression <choice>', 'of what is sent').choices(Compression.options))
    .action(async (idOrName: string, options: SettingsOptions) => {
      const change = changeOf(options);
      const settings = await session.use((api) =>
        Object.keys(change).length === 0
          ? api.machineSettings(idOrName, session.signal)
          : api.changeMachineSettings(idOrName, change, session.signal),
      );
      await session.print(settingsResult(settings));
    });
}

function changeOf({
  freezing,
  pointInterval,
  freezeInterval,
  compression,
}: SettingsOptions): ReplicationSettingsRequest {
  return {
    ...(freezing === undefined ? {} : { freezing: freezing === 'on' }),
    ...(pointInterval === undefined ? {} : { pointIntervalSeconds: pointInterval }),
    ...(freezeInterval === undefined ? {} : { freezeIntervalSeconds: freezeInterval }),
    ...(compression === undefined ? {} : { compression }),
  };
}

function parseSeconds(text: string): number {
  const seconds = parseDuration(text) / 1_000;
  if (Number.isInteger(seconds) && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('Whole seconds are needed, at most 1d.');
}

function settingsResult(settings: MachineSettings): Result {
  return {
    value: settings,
    names: () =>
      Object.entries(settings).map(
        ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
      ),
    table: () =>
      formatFields([
        ['point interval', formatDurationSeconds(settings.pointIntervalSeconds)],
        ['freeze interval', formatDurationSeconds(settings.freezeIntervalSeconds)],
        ['freezing', settings.freezing ? 'on' : 'off'],
        ['compression', settings.compression],
      ]),
  };
}
