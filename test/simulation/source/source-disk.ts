/** A source disk as one process of the agent reads it: every read is a mixture of the instants that it lasted. */
import type { SourceDisk } from '../../../services/agent/src/core/index.ts';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Boot } from './boot.ts';
import type { SimulatedDisk } from './disk.ts';

const TYPICAL_READ_MICROSECONDS = 400;
/** Parts of a read that see the disk at instants of their own. */
const READ_PARTS = 3;

export function sourceDisk(disk: SimulatedDisk, boot: Boot, process: SimulatedProcess, random: Random): SourceDisk {
  const { shape } = disk;
  const generation = (): string => `${disk.diskSequence}/${boot.bootId}`;
  return {
    diskId: shape.diskId,
    device: shape.device,
    sizeBytes: shape.sizeBytes,
    deviceNumber: shape.deviceNumber,
    generation: generation(),
    inspect: () =>
      process.step('disk.inspect', () => ({
        present: disk.present,
        sizeBytes: disk.shownSizeBytes,
        generation: generation(),
      })),
    writesInFlight: () => process.step('disk.writesInFlight', () => disk.writesInFlight),
    read: (offsetBytes, target) =>
      process.call('disk.read', random.latency(TYPICAL_READ_MICROSECONDS), async () => {
        if (disk.readDelayMicroseconds > 0) await boot.pause(disk.readDelayMicroseconds);
        if (offsetBytes % 512 !== 0 || target.length % 512 !== 0) throw systemError('EINVAL');
        if (offsetBytes + target.length > disk.shownSizeBytes || !disk.present) throw systemError('EIO');
        if (disk.readErrors > 0) {
          disk.readErrors--;
          throw systemError('EIO');
        }
        await readInParts(disk, offsetBytes, target, boot, random);
      }),
  };
}

async function readInParts(
  disk: SimulatedDisk,
  offsetBytes: number,
  target: Uint8Array,
  boot: Boot,
  random: Random,
): Promise<void> {
  const parts = random.between(1, READ_PARTS);
  let done = 0;
  for (let part = 1; part <= parts; part++) {
    const end =
      part === parts ? target.length : done + Math.floor(((target.length - done) * random.fraction()) / 512) * 512;
    disk.copy(offsetBytes + done, target.subarray(done, end));
    done = end;
    if (part < parts) await boot.pause(random.latency(TYPICAL_READ_MICROSECONDS));
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: read`), { code });
}
