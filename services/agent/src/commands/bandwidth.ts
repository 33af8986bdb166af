import { UNLIMITED } from '@lms/api';
import { limitAt } from '@lms/bandwidth';
import { DEFAULT_HEADROOM, assess } from '@lms/bandwidth-model';
import { CommandError, createProgress, withExit } from '@lms/command-line';
import type { HostAndPort, Result } from '@lms/command-line';
import { blockStreamServerName } from '@lms/identity';
import { BACKGROUND_PRIORITY, setProcessPriority } from '@lms/linux';
import { isBypassed } from '@lms/proxy';
import { measureMachine } from '../bandwidth/measure-machine.ts';
import { loadMeasurement, saveMeasurement, type Measurement } from '../bandwidth/measurement.ts';
import type { PathReport } from '../bandwidth/path.ts';
import { probePath, type PathTarget } from '../bandwidth/path-probe.ts';
import { bandwidthResult, type BandwidthReport } from '../bandwidth/report.ts';
import { DEFAULT_SETTINGS, type ReplicationSettings } from '../core/index.ts';
import { blockStreamAddresses, parseAssignment } from '../manager-link/assignment.ts';
import { StateFolder } from '../state/state-folder.ts';

export interface BandwidthOptions {
  readonly stateDir?: string;
  readonly disk?: readonly string[];
  readonly address?: HostAndPort;
  /** Milliseconds, as the other times. */
  readonly duration: number;
  readonly cycle: number;
  /** Bits a second. */
  readonly limit?: number;
  readonly headroom?: number;
  readonly pointInterval?: number;
  readonly freezeInterval?: number;
  readonly save?: string;
  readonly from?: string;
}

export async function runBandwidth(options: BandwidthOptions, signal: AbortSignal): Promise<Result> {
  const machine = await findMachine(options);
  // First: it is over in seconds, and whoever waits ten minutes wants to have seen that the address is right.
  const path = machine.target === null ? null : await probePath(machine.target, signal);
  const measurement =
    options.from === undefined
      ? await measure(machine.devices, options.duration / 1_000, signal)
      : await loadMeasurement(options.from);
  if (options.save !== undefined) await saveMeasurement(options.save, measurement);
  const { settings } = machine;
  const link = linkOf(options.limit ?? null, machine.limitBitsPerSecond, path);
  const asked = {
    linkBitsPerSecond: link.bitsPerSecond,
    cycleSeconds: options.cycle / 1_000,
    headroom: options.headroom ?? DEFAULT_HEADROOM,
    pointIntervalSeconds: seconds(options.pointInterval) ?? settings.pointIntervalSeconds,
    freezeIntervalSeconds: seconds(options.freezeInterval) ?? settings.freezeIntervalSeconds,
    mayFreeze: settings.freezing && measurement.mountedFileSystems > 0,
  };
  return bandwidthResult({
    measurement,
    options: asked,
    assessment: assess(measurement, asked),
    path,
    linkFrom: link.from,
  });
}

function seconds(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : milliseconds / 1_000;
}

/** What was given holds; else the lower of the limit in Replication Settings and of what was measured. */
function linkOf(given: number | null, settings: number | null, path: PathReport | null): BandwidthReport['link'] {
  if (given !== null) return { bitsPerSecond: given, from: 'limit' };
  const measured = path?.bitsPerSecond ?? null;
  if (settings !== null && settings <= (measured ?? Infinity)) return { bitsPerSecond: settings, from: 'settings' };
  return { bitsPerSecond: measured, from: measured === null ? null : 'measured' };
}

interface MeasuredMachine {
  readonly devices: readonly string[];
  readonly settings: ReplicationSettings;
  /** Of Replication Settings, as it holds now; null: none. */
  readonly limitBitsPerSecond: number | null;
  /** Null: no address is known. */
  readonly target: PathTarget | null;
}

async function findMachine({ stateDir, disk, from, address }: BandwidthOptions): Promise<MeasuredMachine> {
  if (stateDir !== undefined) return enrolledMachine(new StateFolder(stateDir), address);
  if (disk === undefined && from === undefined) {
    throw new CommandError('usage', 'INVALID_ARGUMENT', 'which disks is not said', {
      action: 'Give --state-dir FOLDER of an agent that is enrolled, or --disk DEVICE for each disk.',
    });
  }
  const target = address === undefined ? null : { ...address, serverName: null, credentials: null, proxy: null };
  return { devices: disk ?? [], settings: DEFAULT_SETTINGS, limitBitsPerSecond: null, target };
}

async function enrolledMachine(state: StateFolder, address: HostAndPort | undefined): Promise<MeasuredMachine> {
  const { disks, machineId } = await state.identity();
  const assignment = parseAssignment(await state.findAssignment());
  const [assigned] = assignment === null ? [] : blockStreamAddresses(assignment);
  const named = address ?? assigned;
  const { blockStream: proxy } = await state.proxies();
  const serverName = assigned?.serverName ?? blockStreamServerName(machineId);
  return {
    devices: disks.map(({ device }) => device),
    settings: assignment?.settings ?? DEFAULT_SETTINGS,
    limitBitsPerSecond: limitAt(assignment?.settings.bandwidth ?? UNLIMITED, Date.now()),
    target:
      named === undefined
        ? null
        : {
            host: named.host,
            port: named.port,
            serverName,
            credentials: await state.credentials(),
            proxy: proxy === null || isBypassed(named.host, named.port, proxy.noProxy) ? null : proxy,
          },
  };
}

async function measure(devices: readonly string[], durationSeconds: number, signal: AbortSignal): Promise<Measurement> {
  setProcessPriority(BACKGROUND_PRIORITY);
  const progress = createProgress(process.stderr);
  try {
    return await measureMachine({
      devices,
      durationSeconds,
      signal,
      progress: (seconds) =>
        progress.note(`measuring: ${Math.round(seconds)} s of ${durationSeconds} s (Ctrl-C: ends it now)`),
    });
  } catch (thrown) {
    throw withExit('failed', thrown);
  } finally {
    progress.clear();
  }
}
