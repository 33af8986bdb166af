/** What kind of machine a history is about, and what story it tells: chosen by the seed. */
import type { PipeShape } from '../network/pipe.ts';
import { FIRST_BOOT_ID, type SourceShape } from '../source/source-machine.ts';
import type { Load } from '../source/writers.ts';
import type { Random } from '../time/random.ts';
import type { StagingWorld } from '../staging/staging-host.ts';
import type { History } from './history.ts';
import { everythingGoesWrong, managerAway, silentDisk, stagingOnSource } from './stories.ts';

const BLOCK = 65_536;

export interface Profile {
  readonly source: SourceShape;
  readonly staging: Pick<StagingWorld, 'bootId' | 'wholeDiskNumbers' | 'assignment' | 'canClone'>;
  readonly network: PipeShape;
  /** How much of the disks holds something at the start. */
  readonly contentShare: number;
  readonly load: Load;
  readonly story: (history: History) => Promise<void>;
}

/** Of so many histories, one each tells a special story. */
const SPECIAL_EVERY = 40;
const SPECIAL_STORIES: Readonly<Record<number, Profile['story']>> = {
  5: silentDisk,
  15: stagingOnSource,
  25: managerAway,
};
const STAGING_BOOT = 'boot-of-the-staging-host';

export function chooseProfile(seed: number, random: Random): Profile {
  const story = SPECIAL_STORIES[seed % SPECIAL_EVERY] ?? everythingGoesWrong;
  const blocks = (): number => random.between(24, 64) * BLOCK;
  const disks = [
    diskShape(0, blocks(), false),
    // The last block is short.
    diskShape(1, blocks() - 512 * random.between(1, 127), story === silentDisk),
  ];
  const onSource = story === stagingOnSource;
  return {
    source: {
      disks,
      processors: random.between(1, 4),
      ringCapacity: random.pick([2_000, 20_000]),
      poolBuffers: random.between(2, 6),
      mountedDisks: random.pick([[], [0], [0, 1], [0, 1], [0, 1]]),
      settings: {
        pointIntervalSeconds: random.between(1, 4),
        freezeIntervalSeconds: random.between(1, 6),
        freezing: true,
        compression: 'off',
      },
    },
    staging: {
      bootId: onSource ? FIRST_BOOT_ID : STAGING_BOOT,
      wholeDiskNumbers: onSource ? [8 << 20, ...disks.map(({ deviceNumber }) => deviceNumber)] : [8 << 20],
      canClone: random.chance(0.5),
      assignment: {
        retention: [
          { everySeconds: 5, keepSeconds: 30 },
          { everySeconds: 30, keepSeconds: 120 },
        ],
      },
    },
    network: {
      capacityBytes: random.pick([64, 512, 2048]) * 1024,
      latencyMicroseconds: random.pick([200, 2_000, 20_000]),
      bytesPerSecond: random.pick([1_500_000, 20_000_000, 500_000_000]),
    },
    contentShare: random.pick([0, 0.5, 0.9]),
    load: { writesPerSecond: random.pick([5, 20, 60]), rawWriters: random.chance(0.3), discards: random.chance(0.7) },
    story,
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
