import { collect, durationOption, parseDuration, parseHostAndPort } from '@lms/command-line';
import type { Interruption, Result } from '@lms/command-line';
import { DEFAULT_HEADROOM, parseLinkRate } from '@lms/bandwidth-model';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { runBandwidth } from './bandwidth.ts';
import type { BandwidthOptions } from './bandwidth.ts';

const LONGEST_MILLISECONDS = 86_400_000;

const HELP = `
Writes nothing and sends nothing but a short probe of the path. Safe beside a running agent, which notices nothing of it.`;

export function addBandwidthCommand(
  program: Command,
  interruption: Interruption,
  print: (result: Result) => Promise<void>,
): void {
  program
    .command('bandwidth')
    .description('measure how this machine writes, and say what bandwidth port 1500 needs, and what lag to expect')
    .addOption(
      new Option('--state-dir <folder>', 'of an agent that is enrolled: its disks, settings and path').conflicts(
        'disk',
      ),
    )
    .option('--disk <device...>', 'before enrolment: whole disks, such as /dev/sda; may be repeated', collect)
    .option('--address <host:port>', 'before enrolment: of the replication server', parseHostAndPort)
    .addOption(
      durationOption('--duration <time>', 'how long to measure, at most 1d; best over a busy hour', '10m').argParser(
        parseMeasuringTime,
      ),
    )
    .addOption(durationOption('--cycle <time>', 'what is rewritten within it is sent once', '1s'))
    .option('--limit <rate>', 'what there is for this machine, such as 50Mbit/s', parseRate)
    .option(
      '--headroom <factor>',
      `by which what is needed is multiplied (default: ${DEFAULT_HEADROOM})`,
      parseHeadroom,
    )
    .option('--point-interval <time>', 'as if the machine had this setting', parseDuration)
    .option('--freeze-interval <time>', 'as if the machine had this setting', parseDuration)
    .option('--save <file>', 'keep what was measured')
    .addOption(new Option('--from <file>', 'do not measure: use what was kept').conflicts(['save']))
    .addHelpText('after', HELP)
    .action(async (options: BandwidthOptions) => {
      // An interrupt ends the measurement early, and what there is by then is told.
      interruption.stopOnSignal();
      await print(await runBandwidth(options, interruption.signal));
    });
}

function parseMeasuringTime(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds >= 1_000 && milliseconds <= LONGEST_MILLISECONDS) return milliseconds;
  throw new InvalidArgumentError('From 1s to 1d.');
}

function parseRate(text: string): number {
  const bitsPerSecond = parseLinkRate(text);
  if (bitsPerSecond === null)
    throw new InvalidArgumentError('A rate is a number and a unit: 500kbit/s, 50Mbit/s, 1Gbit/s.');
  return bitsPerSecond;
}

function parseHeadroom(text: string): number {
  const factor = Number(text);
  if (factor >= 1 && factor <= 10) return factor;
  throw new InvalidArgumentError('A factor from 1 to 10.');
}
