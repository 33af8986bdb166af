import type { Machine, OperatorApi, Series } from '@lms/api';
import { DEFAULT_HEADROOM, machineNeed, parseLinkRate, planGroup, type GroupMachine } from '@lms/bandwidth-model';
import { collect, durationOption } from '@lms/command-line';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { listAll } from '../listing/pages.ts';
import { bandwidthPlanResult } from '../results/bandwidth-plan.ts';
import type { ManagerSession } from '../session.ts';

/** As many as the manager gives at once: at one in five seconds, the newest 13 hours. */
const MAXIMUM_SAMPLES = 10_000;
/** Questions at once: a plan for a thousand machines must not be what the manager is busy with. */
const PARALLEL = 4;

interface PlanOptions {
  readonly machine?: readonly string[];
  /** Bits a second. */
  readonly link: number;
  readonly since: number;
  readonly headroom: number;
}

export function addBandwidthCommands(program: Command, session: ManagerSession): void {
  program
    .command('bandwidth')
    .description('what port 1500 needs (of one machine, before enrolment too: lms-agent bandwidth)')
    .command('plan')
    .description(
      'for machines that share a link: what they need together, whether it converges, and which to copy first',
    )
    .option('--machine <id-or-name...>', 'of these only; may be repeated (default: all)', collect)
    .requiredOption('--link <rate>', 'what they share, such as 100Mbit/s', parseRate)
    .addOption(durationOption('--since <time>', 'statistics of this time; the newest 13 h at most', '1h'))
    .option('--headroom <factor>', 'by which what is needed is multiplied', parseHeadroom, DEFAULT_HEADROOM)
    .action(async (options: PlanOptions) => {
      const machines = await session.use(async (api) => describeAll(api, options, session.signal));
      const plan = planGroup(machines, options.link, options.headroom);
      await session.print(bandwidthPlanResult(machines, plan, options));
    });
}

async function describeAll(api: OperatorApi, options: PlanOptions, signal: AbortSignal): Promise<GroupMachine[]> {
  const machines =
    options.machine === undefined
      ? await listAll(
          (page) => api.listMachines(page, signal),
          (page) => page.machines,
        )
      : await Promise.all([...new Set(options.machine)].map((idOrName) => api.machine(idOrName, signal)));
  const since = new Date(Date.now() - options.since).toISOString();
  const described: GroupMachine[] = [];
  for (let first = 0; first < machines.length; first += PARALLEL) {
    const some = machines.slice(first, first + PARALLEL);
    described.push(
      ...(await Promise.all(
        some.map(async (machine) => {
          const series = await api.machineStatistics(machine.id, { since, limit: MAXIMUM_SAMPLES }, signal);
          return describe(machine, series);
        }),
      )),
    );
  }
  return described;
}

function describe(machine: Machine, { samples }: Series): GroupMachine {
  const need = machineNeed(samples.map((sample) => ({ ...sample, atSeconds: Date.parse(sample.at) / 1000 })));
  const remainingBytes = machine.disks.reduce((sum, disk) => sum + disk.sizeBytes - (disk.replicatedBytes ?? 0), 0);
  // What a continuous machine has not yet sent is a moment's backlog, not a copy.
  const copying = machine.lastPoint === null;
  return {
    name: machine.name,
    need,
    remainingWireBytes: copying ? remainingBytes * need.compressionRatio : 0,
    limitBitsPerSecond: samples.at(-1)?.bandwidthLimitBitsPerSecond ?? null,
  };
}

function parseRate(text: string): number {
  const bitsPerSecond = parseLinkRate(text);
  if (bitsPerSecond !== null) return bitsPerSecond;
  throw new InvalidArgumentError('A rate is a number and a unit: 500kbit/s, 50Mbit/s, 1Gbit/s.');
}

function parseHeadroom(text: string): number {
  const factor = Number(text);
  if (factor >= 1 && factor <= 10) return factor;
  throw new InvalidArgumentError('A factor from 1 to 10 is needed.');
}
