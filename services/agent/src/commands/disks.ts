/** Which disks of this machine can be replicated, and why the others cannot: to choose `--disk`, before anything is joined. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { inspectDevice } from '../kernel/index.ts';

const BLOCK_FOLDER = '/sys/block';
const SECTOR_BYTES = 512;

interface ListedDisk {
  readonly device: string;
  readonly sizeBytes: number;
  readonly suitable: boolean;
  /** Whether an installation without `--disk` takes it. */
  readonly chosen: boolean;
  readonly why: string | null;
}

export function runDisks(): Result {
  const disks = readdirSync(BLOCK_FOLDER)
    .toSorted()
    .map(describe)
    .filter(({ sizeBytes }) => sizeBytes > 0);
  return {
    value: { disks },
    names: () => disks.filter(({ chosen }) => chosen).map(({ device }) => device),
    table: () =>
      formatTable(
        ['DEVICE', 'SIZE', 'CAN BE REPLICATED'],
        disks.map(({ device, sizeBytes, suitable, why }) => {
          return [device, formatBytes(sizeBytes), suitable ? `yes${why === null ? '' : `: ${why}`}` : `no: ${why}`];
        }),
      ),
  };
}

function describe(name: string): ListedDisk {
  // In sysfs a slash of a name is an exclamation mark.
  const device = `/dev/${name.replaceAll('!', '/')}`;
  const sizeBytes = Number(readText(name, 'size') ?? 0) * SECTOR_BYTES;
  try {
    const { isLoop } = inspectDevice(device);
    const why = isLoop ? 'only when named: its content is a file of another disk' : removability(name);
    return { device, sizeBytes, suitable: true, chosen: why === null, why };
  } catch (thrown) {
    const { message, action } = toLmsError(thrown);
    return {
      device,
      sizeBytes,
      suitable: false,
      chosen: false,
      why: action === null ? message : `${message}. ${action}`,
    };
  }
}

function removability(name: string): string | null {
  return readText(name, 'removable') === '1' ? 'only when named: its medium can be taken out' : null;
}

function readText(name: string, file: string): string | null {
  try {
    return readFileSync(join(BLOCK_FOLDER, name, file), 'utf8').trim();
  } catch {
    return null;
  }
}
