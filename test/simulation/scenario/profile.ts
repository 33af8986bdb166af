/** What kind of machine a history is about, and what story it tells: chosen by the seed. */
import type { SourceShape } from '../source/source-machine.ts';
import type { Load } from '../source/writers.ts';
import type { Random } from '../time/random.ts';
import type { StagingWorld } from '../staging/staging-host.ts';
import { FAULTS, type Fault } from '../faults.ts';
import type { History } from './history.ts';

const BLOCK = 65_536;
/** Those that a story of its own tells, or that take too long for every history. */
const SPECIAL: readonly Fault[] = ['silentDisk', 'stagingOnSource', 'bitRot', 'managerAwayForAnHour'];
const MIXED_FAULTS = FAULTS.filter((fault) => !SPECIAL.includes(fault));

export interface Profile {
  readonly source: SourceShape;
  readonly staging: Pick<StagingWorld, 'bootId' | 'wholeDiskNumbers' | 'assignment' | 'canClone'>;
  readonly load: Load;
  readonly story: (history: History) => Promise<void>;
}

export function chooseProfile(_seed: number, random: Random): Profile {
  const blocks = (): number => random.between(24, 80) * BLOCK;
  return {
    source: {
      disks: [
        diskShape(0, blocks(), false),
        // The last block is short.
        diskShape(1, blocks() - 512 * random.between(1, 127), false),
      ],
      processors: random.between(1, 4),
      ringCapacity: random.pick([2_000, 20_000]),
      poolBuffers: random.between(2, 6),
      mountedDisks: random.pick([[], [0], [0, 1], [0, 1]]),
      settings: {
        pointIntervalSeconds: random.between(1, 5),
        freezeIntervalSeconds: random.between(2, 10),
        freezing: true,
        compression: 'off',
      },
    },
    staging: {
      bootId: 'boot-of-the-staging-host',
      wholeDiskNumbers: [8 << 20],
      canClone: random.chance(0.5),
      assignment: {
        retention: [
          { everySeconds: 5, keepSeconds: 30 },
          { everySeconds: 30, keepSeconds: 120 },
        ],
      },
    },
    load: { writesPerSecond: random.pick([5, 20, 60]), rawWriters: random.chance(0.3), discards: random.chance(0.7) },
    story: mixedStory,
  };
}

function diskShape(index: number, sizeBytes: number, silent: boolean): SourceShape['disks'][number] {
  const major = 252;
  return {
    diskId: `disk-${index}`,
    device: `/dev/vd${'ab'[index]}`,
    deviceNumber: (major << 20) | (index * 16),
    partitionNumber: (major << 20) | (index * 16 + 1),
    sizeBytes,
    silent,
  };
}

async function mixedStory(history: History): Promise<void> {
  await history.chaos.rage(history.random.between(30_000_000, 60_000_000), MIXED_FAULTS);
  await history.converge();
  await history.checkEverything();
}
